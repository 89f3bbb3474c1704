import java.nio.file.Path;

/** What Paimon's own reader makes of the tables of a warehouse that another writer left. One argument: the folder that has `warehouse/` and gets `expected/`. */
public final class Expect {
    public static void main(String[] args) throws Exception {
        Generate.open(Path.of(args[0]).toAbsolutePath());
        for (String name : Generate.catalog.listTables(Generate.DB)) {
            try {
                Generate.expect(name);
            } catch (Exception error) {
                throw new RuntimeException(name, error);
            }
        }
        System.exit(0);
    }
}

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.catalog.Identifier;
import org.apache.paimon.data.GenericRow;
import org.apache.paimon.schema.Schema;
import org.apache.paimon.stats.ColStats;
import org.apache.paimon.stats.Statistics;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.sink.BatchTableCommit;
import org.apache.paimon.types.DataTypes;

/** Tables with what ANALYZE leaves. One argument: the folder that gets `warehouse/` and `expected/`. */
public final class Analyzed {
    public static void main(String[] args) throws Exception {
        Generate.open(Path.of(args[0]).toAbsolutePath());
        // few different values, far from each other
        table("analyzed_facts", 200, 4, true);
        table("analyzed_small", 50, 4, true);
        table("analyzed_not", 200, 4, false);
        table("analyzed_middle", 1000, 1000, false);
        System.exit(0);
    }

    static void table(String name, int rows, int distinct, boolean analyze) throws Exception {
        Generate.create(name, Schema.newBuilder().column("k", DataTypes.INT()).column("v", DataTypes.BIGINT())
                .column("s", DataTypes.STRING()).option("bucket", "-1"));
        List<GenericRow> all = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
            all.add(GenericRow.of(i % distinct * 1_000_000, i % 10 == 0 ? null : (long) i, Generate.s("a name that is long " + i)));
        }
        Generate.write(name, all.subList(0, rows / 2));
        Generate.write(name, all.subList(rows / 2, rows));
        if (analyze) {
            FileStoreTable table = (FileStoreTable) Generate.catalog.getTable(Identifier.create(Generate.DB, name));
            Map<String, ColStats<?>> columns = new HashMap<>();
            columns.put("k", ColStats.newColStats(0, (long) distinct, 0, (distinct - 1) * 1_000_000, 0L, 4L, 4L));
            columns.put("v", ColStats.newColStats(1, (long) (rows - rows / 10), 1L, (long) rows - 1, (long) (rows / 10), 8L, 8L));
            Statistics statistics = new Statistics(table.snapshotManager().latestSnapshotId(), table.schema().id(),
                    (long) rows, 20L * rows, columns);
            try (BatchTableCommit commit = table.newBatchWriteBuilder().newCommit()) {
                commit.updateStatistics(statistics);
            }
        }
        Generate.expect(name);
    }
}

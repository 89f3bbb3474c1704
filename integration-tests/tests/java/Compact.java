import java.util.Map;
import org.apache.paimon.catalog.Catalog;
import org.apache.paimon.catalog.CatalogContext;
import org.apache.paimon.catalog.CatalogFactory;
import org.apache.paimon.catalog.Identifier;
import org.apache.paimon.data.BinaryRow;
import org.apache.paimon.disk.IOManager;
import org.apache.paimon.options.Options;
import org.apache.paimon.table.FileStoreTable;
import org.apache.paimon.table.sink.BatchTableCommit;
import org.apache.paimon.table.sink.BatchTableWrite;
import org.apache.paimon.table.sink.BatchWriteBuilder;

/**
 * Compacts an unpartitioned table of a lake once, as a job beside the tiering service does.
 *
 * <p>{@code Compact WAREHOUSE DATABASE TABLE BUCKETS SCRATCH}: files of level 0 move up, and what they replace gets deletion vectors.
 */
public final class Compact {
    public static void main(String[] args) throws Exception {
        Options options = new Options(Map.of("warehouse", args[0]));
        try (Catalog catalog = CatalogFactory.createCatalog(CatalogContext.create(options))) {
            FileStoreTable table = (FileStoreTable) catalog.getTable(Identifier.create(args[1], args[2]));
            table = table.copy(Map.of("write-only", "false"));
            BatchWriteBuilder builder = table.newBatchWriteBuilder();
            try (BatchTableWrite write = builder.newWrite();
                    BatchTableCommit commit = builder.newCommit()) {
                write.withIOManager(IOManager.create(args[4]));
                for (int bucket = 0; bucket < Integer.parseInt(args[3]); bucket++) {
                    write.compact(BinaryRow.EMPTY_ROW, bucket, false);
                }
                commit.commit(write.prepareCommit());
            }
        }
    }
}

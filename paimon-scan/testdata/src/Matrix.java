import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.data.GenericArray;
import org.apache.paimon.data.GenericMap;
import org.apache.paimon.data.GenericRow;
import org.apache.paimon.data.Timestamp;
import org.apache.paimon.schema.Schema;
import org.apache.paimon.schema.SchemaChange;
import org.apache.paimon.table.Table;
import org.apache.paimon.table.sink.BatchTableCommit;
import org.apache.paimon.table.sink.BatchTableWrite;
import org.apache.paimon.table.sink.BatchWriteBuilder;
import org.apache.paimon.table.sink.CommitMessage;
import org.apache.paimon.types.DataTypes;
import org.apache.paimon.types.RowKind;

/**
 * The conformance matrix: table kind and merge engine, deletion vectors, file format, schema evolution and layout of the levels. One
 * argument: the folder that gets `warehouse/` and `expected/`.
 *
 * <p>Names: ENGINE[_dv][_evolved]_LAYOUT_FORMAT.
 */
public final class Matrix {
    /** A merge engine with its options; `deletes` tells whether it takes row kinds that retract. */
    record Engine(String name, boolean deletes, String... options) {}

    static final Engine[] CORE = {
        new Engine("dedup", true), new Engine("first_row", false, "merge-engine", "first-row"),
        new Engine("partial", false, "merge-engine", "partial-update"),
        new Engine("agg", false, "merge-engine", "aggregation", "fields.a.aggregate-function", "sum", "fields.b.aggregate-function", "max",
            "fields.s.aggregate-function", "last_non_null_value", "fields.at.aggregate-function", "first_value", "fields.default-aggregate-function", "last_value")};

    static final Engine[] VARIANTS = {
        new Engine("dedup_ignore", true, "ignore-delete", "true"),
        new Engine("dedup_seq", true, "sequence.field", "v"),
        new Engine("dedup_seq_desc", true, "sequence.field", "v", "sequence.field.sort-order", "descending"),
        new Engine("dedup_seq_two", true, "sequence.field", "s,v"),
        new Engine("dedup_seq_ignore", true, "sequence.field", "v", "ignore-delete", "true"),
        new Engine("first_row_ignore", true, "merge-engine", "first-row", "ignore-delete", "true"),
        new Engine("partial_remove", true, "merge-engine", "partial-update", "partial-update.remove-record-on-delete", "true"),
        new Engine("partial_ignore", true, "merge-engine", "partial-update", "ignore-delete", "true"),
        new Engine("partial_group", false, "merge-engine", "partial-update", "fields.v.sequence-group", "a,s", "fields.a.aggregate-function", "sum"),
        new Engine("agg_remove", true, "merge-engine", "aggregation", "fields.default-aggregate-function", "last_non_null_value",
            "aggregation.remove-record-on-delete", "true"),
        new Engine("agg_retract", true, "merge-engine", "aggregation", "fields.a.aggregate-function", "sum", "fields.default-aggregate-function", "last_value",
            "fields.b.ignore-retract", "true"),
        new Engine("partial_seq", false, "merge-engine", "partial-update", "sequence.field", "v"),
        new Engine("partial_groups", false, "merge-engine", "partial-update", "fields.v,b.sequence-group", "a,s", "fields.gone.sequence-group", "at"),
        new Engine("agg_seq", false, "merge-engine", "aggregation", "sequence.field", "v", "fields.a.aggregate-function", "sum",
            "fields.s.aggregate-function", "first_value", "fields.default-aggregate-function", "last_non_null_value"),
        new Engine("agg_more", false, "merge-engine", "aggregation", "fields.a.aggregate-function", "min", "fields.b.aggregate-function", "min",
            "fields.s.aggregate-function", "max", "fields.at.aggregate-function", "max", "fields.gone.aggregate-function", "product",
            "fields.v.aggregate-function", "first_non_null_value", "fields.m.aggregate-function", "merge_map", "fields.l.aggregate-function", "collect",
            "fields.n.aggregate-function", "first_non_null_value"),
        new Engine("agg_strings", false, "merge-engine", "aggregation", "fields.s.aggregate-function", "listagg", "fields.b.aggregate-function", "sum",
            "fields.default-aggregate-function", "last_value")};

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]).toAbsolutePath();
        boolean all = args.length > 1 && args[1].equals("all");
        Generate.open(out);
        String[] formats = all ? new String[] {"parquet", "orc", "avro"} : new String[] {"parquet"};
        for (String format : formats) {
            boolean[] evolutions = format.equals("parquet") ? new boolean[] {false, true} : new boolean[] {false};
            for (boolean evolved : evolutions) {
                append(format, evolved);
                for (Engine engine : CORE) {
                    keyed(engine, false, evolved, "mixed", format);
                    // nothing is ever replaced in a first-row table: Paimon refuses deletion vectors there
                    if (!engine.name().equals("first_row")) keyed(engine, true, evolved, "mixed", format);
                }
            }
        }
        for (Engine engine : CORE) {
            keyed(engine, false, false, "level0", "parquet");
            keyed(engine, false, true, "compacted", "parquet");
        }
        for (Engine engine : VARIANTS) {
            keyed(engine, false, false, "mixed", "parquet");
            keyed(engine, false, false, "level0", "parquet");
            if (!engine.name().startsWith("first_row")) keyed(engine, true, false, "mixed", "parquet");
        }
        ignoredLater(out);
        equalSequences();
        tiedSequences();
        vectorsLater();
        floatKeys();
        deletesOnly();
        nullSequence();
        dynamicBuckets();
        System.exit(0);
    }

    static Schema.Builder columns(String format) {
        return Schema.newBuilder().column("id", DataTypes.BIGINT().notNull()).column("a", DataTypes.INT()).column("b", DataTypes.DOUBLE())
                .column("s", DataTypes.STRING()).column("at", DataTypes.TIMESTAMP(format.equals("avro") ? 6 : 9)).column("n", DataTypes.ROW(DataTypes.FIELD(30, "x", DataTypes.INT()),
                        DataTypes.FIELD(31, "y", DataTypes.STRING()))).column("l", DataTypes.ARRAY(DataTypes.INT()))
                .column("m", DataTypes.MAP(DataTypes.STRING(), DataTypes.INT())).column("gone", DataTypes.INT()).column("v", DataTypes.INT());
    }

    /** One version of a row; some columns are null in some of them. `v`, the sequence field, does not grow with time. */
    static GenericRow row(RowKind kind, long id, int version, boolean evolved) {
        int n = (int) id * 100 + version;
        Map<Object, Object> map = new LinkedHashMap<>();
        map.put(Generate.s("k"), n);
        Object a = n % 5 == 0 ? null : evolved ? (Object) (3_000_000_000L + n) : (Object) n;
        Object b = n % 7 == 0 ? null : n % 11 == 0 ? Double.NaN : n * 0.5;
        Object s = n % 3 == 0 ? null : Generate.s("s" + version);
        Object at = n % 4 == 0 ? null : Timestamp.fromEpochMillis(1_700_000_000_000L + n, 123_456);
        Object nested = n % 6 == 0 ? null : evolved ? GenericRow.of(n, Generate.s("y" + n), (long) n) : GenericRow.of(n, Generate.s("y" + n));
        Object list = version % 3 == 0 ? null : new GenericArray(new Object[] {n, null});
        int v = (int) ((id * 7 + version * 5) % 11);
        if (evolved) return GenericRow.ofKind(kind, id, a, b, s, at, nested, list, new GenericMap(map), v, Generate.s("again" + n), n % 2 == 0 ? null : n);
        return GenericRow.ofKind(kind, id, a, b, s, at, nested, list, new GenericMap(map), n, v);
    }

    static List<GenericRow> versions(int version, boolean evolved, boolean deletes, int[] upserts, int[] removed) {
        List<GenericRow> rows = new ArrayList<>();
        for (int id : upserts) rows.add(row(version == 1 ? RowKind.INSERT : RowKind.UPDATE_AFTER, id, version, evolved));
        if (deletes) for (int id : removed) rows.add(row(RowKind.DELETE, id, version, evolved));
        return rows;
    }

    static void evolve(String name) throws Exception {
        Generate.alter(name, SchemaChange.renameColumn("a", "a2"), SchemaChange.dropColumn("gone"));
        Generate.alter(name, SchemaChange.updateColumnType("a2", DataTypes.BIGINT()), SchemaChange.addColumn("gone", DataTypes.STRING()),
                SchemaChange.addColumn("added", DataTypes.INT()), SchemaChange.renameColumn(new String[] {"n", "x"}, "z"),
                SchemaChange.addColumn(new String[] {"n", "extra"}, DataTypes.BIGINT(), null, null));
    }

    static void append(String format, boolean evolved) throws Exception {
        String name = "append" + (evolved ? "_evolved" : "") + "_mixed_" + format;
        Generate.create(name, columns(format).option("bucket", "-1").option("file.format", format));
        Generate.write(name, versions(1, false, false, new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, null));
        if (evolved) evolve(name);
        Generate.write(name, versions(2, evolved, false, new int[] {3, 10, 11, 12}, null));
        Generate.expect(name);
    }

    static void keyed(Engine engine, boolean vectors, boolean evolved, String layout, String format) throws Exception {
        String name = engine.name() + (vectors ? "_dv" : "") + (evolved ? "_evolved" : "") + "_" + layout + "_" + format;
        try {
            Schema.Builder schema = columns(format).primaryKey("id").option("bucket", "1").option("file.format", format).option("num-sorted-run.compaction-trigger", "10")
                    // old snapshots would be most of the files
                    .option("snapshot.num-retained.min", "1").option("snapshot.num-retained.max", "1").option("manifest.merge-min-count", "2");
            for (int i = 0; i < engine.options().length; i += 2) schema.option(engine.options()[i], engine.options()[i + 1]);
            if (vectors) schema.option("deletion-vectors.enabled", "true").option("deletion-vectors.bitmap64", String.valueOf(evolved));
            if (layout.equals("level0")) schema.option("write-only", "true");
            Generate.create(name, schema);
            boolean deletes = engine.deletes();
            Generate.write(name, versions(1, false, deletes, new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, new int[] {77}));
            Generate.write(name, versions(2, false, deletes, new int[] {0, 3, 6}, new int[] {1, 4, 88}));
            if (!layout.equals("level0")) Generate.compact(name);
            if (evolved) evolve(name);
            Generate.write(name, versions(3, evolved, deletes, new int[] {2, 5, 10}, new int[] {7}));
            Generate.write(name, versions(4, evolved, deletes, new int[] {0, 1, 11, -5}, new int[] {2, 5}));
            // one commit with several versions of a key
            List<GenericRow> rows = versions(5, evolved, deletes, new int[] {8, 9}, new int[] {10});
            rows.addAll(versions(6, evolved, deletes, new int[] {8, 12}, new int[] {9}));
            Generate.write(name, rows);
            if (layout.equals("compacted")) Generate.compact(name);
            Generate.expect(name);
        } catch (Exception error) {
            throw new RuntimeException(name, error);
        }
    }

    /** A writer that knows `ignore-delete` drops deletes itself, so files with deletes are older than the option. */
    static void ignoredLater(Path out) throws Exception {
        for (String layout : new String[] {"level0", "mixed"}) {
            String name = "dedup_ignored_later_" + layout + "_parquet";
            keyed(new Engine("dedup_ignored_later", true), false, false, layout, "parquet");
            Path schema = out.resolve("warehouse/lake.db/" + name + "/schema/schema-0");
            Files.writeString(schema, Files.readString(schema).replaceFirst("\"options\" : \\{", "\"options\" : {\n    \"ignore-delete\" : \"true\","));
            // the catalog at hand remembers the table as it was
            Generate.open(out);
            Generate.expect(name);
        }
    }

    /** Buckets that the writer chooses; later versions of a key go where the first one went. */
    static void dynamicBuckets() throws Exception {
        for (boolean vectors : new boolean[] {false, true}) {
            String name = "dynamic_bucket" + (vectors ? "_dv" : "");
            Schema.Builder schema = columns("parquet").primaryKey("id").option("bucket", "-1").option("num-sorted-run.compaction-trigger", "10");
            if (vectors) schema.option("deletion-vectors.enabled", "true");
            Generate.create(name, schema);
            for (int version = 1; version <= 3; version++) {
                BatchWriteBuilder builder = Generate.table(name).newBatchWriteBuilder();
                try (BatchTableWrite write = builder.newWrite(); BatchTableCommit commit = builder.newCommit()) {
                    write.withIOManager(Generate.io);
                    int[] upserts = version == 1 ? new int[] {0, 1, 2, 3, 4, 5, 6, 7} : new int[] {version, version + 2, 8 + version};
                    for (GenericRow row : versions(version, false, true, upserts, new int[] {version - 1})) write.write(row, (int) (row.getLong(0) % 3));
                    commit.commit(write.prepareCommit());
                }
            }
            Generate.expect(name);
        }
    }

    static void equalSequences() throws Exception {
        Generate.create("equal_sequences", Generate.pk().option("bucket", "1").option("write-only", "true"));
        Generate.twoWriters("equal_sequences");
        Generate.expect("equal_sequences");
    }

    /** Two writers that began at one snapshot give one sequence number to two versions of a key. */
    static void tiedSequences() throws Exception {
        String name = "tied_sequences";
        Generate.create(name, Generate.pk().option("bucket", "1").option("write-only", "true"));
        Table table = Generate.table(name);
        BatchWriteBuilder a = table.newBatchWriteBuilder();
        BatchWriteBuilder b = table.newBatchWriteBuilder();
        try (BatchTableWrite wa = a.newWrite(); BatchTableWrite wb = b.newWrite()) {
            wa.withIOManager(Generate.io);
            wb.withIOManager(Generate.io);
            wa.write(Generate.row(RowKind.INSERT, 1, 10));
            wb.write(Generate.row(RowKind.INSERT, 1, 20));
            List<CommitMessage> first = wa.prepareCommit();
            List<CommitMessage> second = wb.prepareCommit();
            try (BatchTableCommit commit = a.newCommit()) { commit.commit(first); }
            try (BatchTableCommit commit = b.newCommit()) { commit.commit(second); }
        }
        Generate.expect(name);
    }

    /** Deletion vectors switched on when levels overlap already: no vector marks what the old files supersede. */
    static void vectorsLater() throws Exception {
        for (boolean clean : new boolean[] {false, true}) {
            String name = clean ? "vectors_later_clean" : "vectors_later_overlapping";
            Generate.create(name, Generate.pk().option("bucket", "1").option("num-sorted-run.compaction-trigger", "3").option("num-levels", "4")
                    .option("deletion-vectors.modifiable", "true"));
            List<GenericRow> base = new ArrayList<>();
            for (int i = 0; i < 2000; i++) base.add(Generate.row(RowKind.INSERT, i, i));
            Generate.write(name, base);
            Generate.compact(name);
            if (!clean) {
                // three small runs are compacted among themselves, above the base
                for (int c = 0; c < 3; c++) Generate.write(name, List.of(Generate.row(RowKind.UPDATE_AFTER, 10, 100 + c), Generate.row(RowKind.UPDATE_AFTER, 20 + c, 100)));
            }
            Generate.alter(name, SchemaChange.setOption("deletion-vectors.enabled", "true"));
            Generate.write(name, List.of(Generate.row(RowKind.UPDATE_AFTER, 30, 999), Generate.row(RowKind.DELETE, 40, 0)));
            Generate.expect(name);
        }
    }

    static void floatKeys() throws Exception {
        for (String format : new String[] {"parquet"}) {
            String name = "nan_key_" + format;
            Generate.create(name, Schema.newBuilder().column("k", DataTypes.FLOAT().notNull()).column("v", DataTypes.INT()).primaryKey("k")
                    .option("bucket", "1").option("write-only", "true"));
            Generate.write(name, List.of(GenericRow.of(Float.NaN, 1)));
            Generate.write(name, List.of(GenericRow.of(Float.NaN, 2)));
            Generate.expect(name);
            name = "zero_key_" + format;
            Generate.create(name, Schema.newBuilder().column("k", DataTypes.FLOAT().notNull()).column("v", DataTypes.INT()).primaryKey("k")
                    .option("bucket", "1").option("write-only", "true"));
            Generate.write(name, List.of(GenericRow.of(0.0f, 1), GenericRow.of(1.0f, 2)));
            Generate.write(name, List.of(GenericRow.of(-0.0f, 3), GenericRow.of(-1.0f, 4)));
            Generate.write(name, List.of(GenericRow.ofKind(RowKind.DELETE, -1.0f, 5)));
            Generate.expect(name);
        }
    }

    /** A section whose files hold deletes alone, and one that they empty. */
    static void deletesOnly() throws Exception {
        Generate.create("deletes_only", Generate.pk().option("bucket", "1").option("write-only", "true"));
        Generate.write("deletes_only", List.of(Generate.row(RowKind.INSERT, 1, 1), Generate.row(RowKind.INSERT, 2, 2)));
        Generate.write("deletes_only", List.of(Generate.row(RowKind.DELETE, 1, 1), Generate.row(RowKind.DELETE, 2, 1)));
        Generate.write("deletes_only", List.of(Generate.row(RowKind.DELETE, 100, 1), Generate.row(RowKind.DELETE, 101, 1)));
        Generate.write("deletes_only", List.of(Generate.row(RowKind.INSERT, 200, 1)));
        Generate.expect("deletes_only");
    }

    /** Nulls in the sequence field, and ties that the sequence number decides. */
    static void nullSequence() throws Exception {
        for (String order : new String[] {"ascending", "descending"}) {
            String name = "null_sequence_" + order;
            Generate.create(name, Generate.pk().option("bucket", "1").option("write-only", "true").option("sequence.field", "v").option("sequence.field.sort-order", order));
            Generate.write(name, List.of(GenericRow.of(1L, null, Generate.s("a")), GenericRow.of(2L, 5, Generate.s("b")), GenericRow.of(3L, 5, Generate.s("c")),
                    GenericRow.of(4L, null, Generate.s("n1")), GenericRow.of(5L, -1, Generate.s("e"))));
            Generate.write(name, List.of(GenericRow.of(1L, 1, Generate.s("d")), GenericRow.of(2L, null, Generate.s("e")), GenericRow.of(3L, 5, Generate.s("f")),
                    GenericRow.of(4L, null, Generate.s("n2")), GenericRow.ofKind(RowKind.DELETE, 5L, 0, null)));
            Generate.expect(name);
        }
    }
}

import java.io.File;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.paimon.catalog.Catalog;
import org.apache.paimon.catalog.CatalogContext;
import org.apache.paimon.catalog.CatalogFactory;
import org.apache.paimon.catalog.Identifier;
import org.apache.paimon.data.BinaryRow;
import org.apache.paimon.data.BinaryString;
import org.apache.paimon.data.Decimal;
import org.apache.paimon.data.GenericArray;
import org.apache.paimon.data.GenericMap;
import org.apache.paimon.data.GenericRow;
import org.apache.paimon.data.InternalArray;
import org.apache.paimon.data.InternalMap;
import org.apache.paimon.data.InternalRow;
import org.apache.paimon.data.Timestamp;
import org.apache.paimon.disk.IOManager;
import org.apache.paimon.options.Options;
import org.apache.paimon.reader.RecordReader;
import org.apache.paimon.schema.Schema;
import org.apache.paimon.schema.SchemaChange;
import org.apache.paimon.table.Table;
import org.apache.paimon.table.sink.BatchTableCommit;
import org.apache.paimon.table.sink.BatchTableWrite;
import org.apache.paimon.table.sink.BatchWriteBuilder;
import org.apache.paimon.table.sink.CommitMessage;
import org.apache.paimon.table.source.ReadBuilder;
import org.apache.paimon.types.ArrayType;
import org.apache.paimon.types.DataField;
import org.apache.paimon.types.DataType;
import org.apache.paimon.types.DataTypes;
import org.apache.paimon.types.DecimalType;
import org.apache.paimon.types.LocalZonedTimestampType;
import org.apache.paimon.types.MapType;
import org.apache.paimon.types.RowKind;
import org.apache.paimon.types.RowType;
import org.apache.paimon.types.TimestampType;

/**
 * Writes the Paimon tables that the tests of paimon-scan read, and what Paimon's own reader makes of
 * them. One argument: the folder that gets `warehouse/` and `expected/`.
 */
public final class Generate {
    static final String DB = "lake";
    static Catalog catalog;
    static Path expected;
    static IOManager io;

    public static void main(String[] args) throws Exception {
        open(Path.of(args[0]).toAbsolutePath());
        appendPlain();
        appendPartitioned();
        pkOverlap();
        pkComposite();
        pkPartitioned();
        pkCompacted();
        pkSequenceOverlap();
        pkFloat();
        deletionVectors("pk_dv", false);
        deletionVectors("pk_dv64", true);
        evolution();
        pkEvolution();
        narrowed();
        allTypes();
        timestampNine();
        legacySystemColumns();
        refused();
        // the process keeps non-daemon threads of the catalog alive
        System.exit(0);
    }

    static void open(Path out) throws Exception {
        expected = Files.createDirectories(out.resolve("expected"));
        io = IOManager.create(Files.createTempDirectory("paimon").toString());
        Options options = new Options();
        options.set("warehouse", out.resolve("warehouse").toUri().toString());
        catalog = CatalogFactory.createCatalog(CatalogContext.create(options));
        catalog.createDatabase(DB, true);
    }

    // ---- the tables -------------------------------------------------------------------------

    static void appendPlain() throws Exception {
        create("append_plain", Schema.newBuilder().column("id", DataTypes.INT()).column("name", DataTypes.STRING())
                .column("v", DataTypes.DOUBLE()).option("bucket", "-1"));
        for (int c = 0; c < 3; c++) {
            List<GenericRow> rows = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                int id = c * 40 + i;
                rows.add(GenericRow.of(id, id % 7 == 0 ? null : s("name-" + id), id * 0.5));
            }
            write("append_plain", rows);
        }
        expect("append_plain");
    }

    static void appendPartitioned() throws Exception {
        create("append_partitioned", Schema.newBuilder().column("v", DataTypes.BIGINT()).column("region", DataTypes.STRING())
                .column("day", DataTypes.DATE()).partitionKeys("region", "day").option("bucket", "-1").option("partition.legacy-name", "false"));
        String[] regions = {"plain", "with space", "a/b:c%25=d?e#f", "Zürich", null};
        for (int c = 0; c < 2; c++) {
            List<GenericRow> rows = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                rows.add(GenericRow.of((long) (c * 100 + i), regions[i % 5] == null ? null : s(regions[i % 5]), 20000 + i % 2));
            }
            write("append_partitioned", rows);
        }
        expect("append_partitioned");
    }

    static Schema.Builder pk() {
        return Schema.newBuilder().column("id", DataTypes.BIGINT().notNull()).column("v", DataTypes.INT()).column("s", DataTypes.STRING())
                .primaryKey("id");
    }

    static GenericRow row(RowKind kind, long id, int v) {
        return GenericRow.ofKind(kind, id, v, s("v" + v));
    }

    /** Level-0 files that overlap: updates, deletes, a re-insert, a delete of what was never there. */
    static void overlapping(String table) throws Exception {
        List<GenericRow> first = new ArrayList<>();
        for (int i = 0; i < 100; i++) first.add(row(RowKind.INSERT, i, i));
        write(table, first);
        List<GenericRow> second = new ArrayList<>();
        for (int i = 0; i < 100; i += 3) second.add(row(RowKind.UPDATE_AFTER, i, 1000 + i));
        for (int i = 1; i < 100; i += 10) second.add(row(RowKind.DELETE, i, i));
        second.add(row(RowKind.DELETE, 500, 0));
        write(table, second);
        List<GenericRow> third = new ArrayList<>();
        for (int i = 1; i < 100; i += 20) third.add(row(RowKind.INSERT, i, 2000 + i));
        for (int i = 90; i < 120; i++) third.add(row(RowKind.INSERT, i, 3000 + i));
        write(table, third);
        write(table, List.of(row(RowKind.DELETE, 3, 0), row(RowKind.UPDATE_BEFORE, 6, 0), row(RowKind.DELETE, 119, 0)));
    }

    static void pkOverlap() throws Exception {
        create("pk_overlap", pk().option("bucket", "2").option("write-only", "true").option("changelog-producer", "input"));
        overlapping("pk_overlap");
        // far from the others: sections of one file, one of them with deletes
        write("pk_overlap", List.of(row(RowKind.INSERT, 10_000, 1), row(RowKind.INSERT, 10_001, 2), row(RowKind.INSERT, 10_002, 3), row(RowKind.INSERT, 10_003, 4)));
        write("pk_overlap", List.of(row(RowKind.INSERT, 20_000, 1), row(RowKind.INSERT, 20_002, 1), row(RowKind.DELETE, 20_001, 2), row(RowKind.DELETE, 20_003, 2)));
        expect("pk_overlap");
        expect("pk_overlap", 2L);
    }

    static void pkComposite() throws Exception {
        create("pk_composite", Schema.newBuilder().column("v", DataTypes.INT()).column("name", DataTypes.STRING().notNull())
                .column("price", DataTypes.DECIMAL(10, 2).notNull()).column("at", DataTypes.TIMESTAMP(3).notNull()).primaryKey("name", "price", "at")
                .option("bucket", "1").option("write-only", "true"));
        for (int c = 0; c < 3; c++) {
            List<GenericRow> rows = new ArrayList<>();
            for (int i = c * 5; i < 40; i += c + 1) {
                String name = "a rather long common prefix of a key " + (i % 4 == 0 ? "" : "\u00e9" + i);
                rows.add(GenericRow.ofKind(i % 9 == 8 ? RowKind.DELETE : RowKind.INSERT, c * 1000 + i, s(name), dec(new BigDecimal(i - 20).movePointLeft(2), 10, 2),
                        Timestamp.fromEpochMillis(-1000L * (i % 6))));
            }
            write("pk_composite", rows);
        }
        expect("pk_composite");
    }

    static void pkPartitioned() throws Exception {
        create("pk_partitioned", Schema.newBuilder().column("day", DataTypes.STRING().notNull()).column("id", DataTypes.INT().notNull())
                .column("v", DataTypes.INT()).partitionKeys("day").primaryKey("day", "id").option("bucket", "1").option("write-only", "true")
                .option("partition.legacy-name", "false"));
        for (int c = 0; c < 3; c++) {
            List<GenericRow> rows = new ArrayList<>();
            for (int i = 0; i < 30; i += c + 1) {
                rows.add(GenericRow.ofKind(c == 2 && i % 2 == 0 ? RowKind.DELETE : RowKind.INSERT, s("2026-01-0" + (1 + i % 3)), i, c * 100 + i));
            }
            write("pk_partitioned", rows);
        }
        expect("pk_partitioned");
    }

    static void pkCompacted() throws Exception {
        create("pk_compacted", pk().option("bucket", "1").option("num-sorted-run.compaction-trigger", "10"));
        overlapping("pk_compacted");
        compact("pk_compacted");
        expect("pk_compacted", 5L);
        write("pk_compacted", List.of(row(RowKind.UPDATE_AFTER, 2, -2), row(RowKind.DELETE, 4, 0)));
        write("pk_compacted", List.of(row(RowKind.INSERT, 700, 7)));
        expect("pk_compacted");
    }

    /** Two writers opened on one snapshot: their files have the same sequence numbers. */
    static void pkSequenceOverlap() throws Exception {
        create("pk_sequence_overlap", pk().option("bucket", "1").option("write-only", "true"));
        twoWriters("pk_sequence_overlap");
        expect("pk_sequence_overlap");
    }

    static void twoWriters(String name) throws Exception {
        List<GenericRow> base = new ArrayList<>();
        for (int i = 0; i < 10; i++) base.add(row(RowKind.INSERT, i, i));
        write(name, base);
        Table table = table(name);
        BatchWriteBuilder a = table.newBatchWriteBuilder();
        BatchWriteBuilder b = table.newBatchWriteBuilder();
        try (BatchTableWrite wa = a.newWrite(); BatchTableWrite wb = b.newWrite()) {
            wa.withIOManager(io);
            wb.withIOManager(io);
            for (GenericRow r : List.of(row(RowKind.INSERT, 1, 101), row(RowKind.INSERT, 2, 102), row(RowKind.INSERT, 3, 103), row(RowKind.DELETE, 4, 0))) wa.write(r);
            for (GenericRow r : List.of(row(RowKind.INSERT, 3, 203), row(RowKind.INSERT, 1, 201), row(RowKind.INSERT, 4, 204), row(RowKind.DELETE, 2, 0), row(RowKind.INSERT, 5, 205)))
                wb.write(r);
            List<CommitMessage> ma = wa.prepareCommit();
            List<CommitMessage> mb = wb.prepareCommit();
            try (BatchTableCommit ca = a.newCommit()) { ca.commit(ma); }
            try (BatchTableCommit cb = b.newCommit()) { cb.commit(mb); }
        }
    }

    /** NaN is left out: Paimon's key comparator takes it as equal to every number and loses rows. */
    static void pkFloat() throws Exception {
        create("pk_float", Schema.newBuilder().column("k", DataTypes.DOUBLE().notNull()).column("v", DataTypes.INT()).primaryKey("k")
                .option("bucket", "1").option("write-only", "true"));
        write("pk_float", List.of(GenericRow.of(0.0, 1), GenericRow.of(1.5, 3), GenericRow.of(-2.5, 3)));
        write("pk_float", List.of(GenericRow.of(-0.0, 4), GenericRow.of(Double.NEGATIVE_INFINITY, 5), GenericRow.of(-1.5, 6)));
        expect("pk_float");
    }

    static void deletionVectors(String name, boolean wide) throws Exception {
        create(name, Schema.newBuilder().column("id", DataTypes.INT().notNull()).column("a", DataTypes.INT()).column("b", DataTypes.BIGINT()).column("s", DataTypes.STRING())
                .primaryKey("id").option("bucket", "1").option("deletion-vectors.enabled", "true").option("deletion-vectors.bitmap64", String.valueOf(wide))
                .option("parquet.block.size", "4096").option("parquet.page.size", "512").option("parquet.enable.dictionary", "false"));
        List<GenericRow> rows = new ArrayList<>();
        for (int i = 0; i < 1000; i++) rows.add(dv(RowKind.INSERT, i, i));
        write(name, rows);
        compact(name);
        rows = new ArrayList<>();
        for (int i = 0; i < 1000; i += 7) rows.add(dv(RowKind.UPDATE_AFTER, i, i + 5000));
        for (int i = 300; i < 420; i++) rows.add(dv(RowKind.DELETE, i, i));
        write(name, rows);
        rows = new ArrayList<>();
        for (int i = 1; i < 1000; i += 50) rows.add(dv(RowKind.DELETE, i, i));
        write(name, rows);
        // stays at level 0: a reader of a table with deletion vectors does not see it yet
        Table lazy = table(name).copy(Map.of("write-only", "true"));
        write(lazy, List.of(dv(RowKind.INSERT, 9000, 1), dv(RowKind.DELETE, 2, 1)));
        expect(name);
    }

    static GenericRow dv(RowKind kind, int id, int a) {
        return GenericRow.ofKind(kind, id, a % 97, (long) a * 3, s("row " + a));
    }

    static void evolution() throws Exception {
        create("evolution", Schema.newBuilder().column("id", DataTypes.INT()).column("old_name", DataTypes.STRING()).column("dropped", DataTypes.INT())
                .column("f", DataTypes.FLOAT()).column("d", DataTypes.DECIMAL(10, 2)).column("ts", DataTypes.TIMESTAMP(3))
                .column("st", DataTypes.ROW(DataTypes.FIELD(20, "x", DataTypes.INT()), DataTypes.FIELD(21, "y", DataTypes.STRING())))
                .column("n", DataTypes.INT()).option("bucket", "-1"));
        List<GenericRow> rows = new ArrayList<>();
        for (int i = 0; i < 20; i++)
            rows.add(GenericRow.of(i, s("n" + i), i * 11, i + 0.1f, dec(new BigDecimal(i).movePointLeft(1).setScale(2), 10, 2), Timestamp.fromEpochMillis(1_700_000_000_123L + i),
                    i % 5 == 0 ? null : GenericRow.of(i, s("y" + i)), i % 4 == 0 ? null : i));
        write("evolution", rows);
        alter("evolution", SchemaChange.renameColumn("old_name", "name"), SchemaChange.dropColumn("dropped"));
        alter("evolution", SchemaChange.addColumn("dropped", DataTypes.INT()), SchemaChange.addColumn("added", DataTypes.STRING()),
                SchemaChange.updateColumnType("id", DataTypes.BIGINT()), SchemaChange.updateColumnType("f", DataTypes.DOUBLE()),
                SchemaChange.updateColumnType("d", DataTypes.DECIMAL(14, 2)), SchemaChange.updateColumnType("ts", DataTypes.TIMESTAMP(6)),
                SchemaChange.renameColumn(new String[] {"st", "x"}, "z"), SchemaChange.addColumn(new String[] {"st", "extra"}, DataTypes.BIGINT(), null, null));
        rows = new ArrayList<>();
        for (int i = 20; i < 30; i++)
            rows.add(GenericRow.of((long) i, s("n" + i), i + 0.1, dec(new BigDecimal(i).setScale(2), 14, 2), Timestamp.fromMicros(1_700_000_000_123_456L + i),
                    GenericRow.of(i, s("y" + i), (long) i), i, i * 7, s("added" + i)));
        write("evolution", rows);
        expect("evolution");
    }

    static void pkEvolution() throws Exception {
        create("pk_evolution", pk().option("bucket", "1").option("write-only", "true"));
        write("pk_evolution", List.of(row(RowKind.INSERT, 1, 1), row(RowKind.INSERT, 2, 2), row(RowKind.INSERT, 3, 3)));
        alter("pk_evolution", SchemaChange.renameColumn("v", "w"), SchemaChange.addColumn("v", DataTypes.STRING()), SchemaChange.updateColumnType("w", DataTypes.BIGINT()));
        write("pk_evolution", List.of(GenericRow.of(2L, 22L, s("two"), s("new")), GenericRow.ofKind(RowKind.DELETE, 3L, null, null, null)));
        expect("pk_evolution");
    }

    static void narrowed() throws Exception {
        create("narrowed", Schema.newBuilder().column("id", DataTypes.INT()).column("s", DataTypes.VARCHAR(20)).option("bucket", "-1"));
        write("narrowed", List.of(GenericRow.of(1, s("longer than five"))));
        alter("narrowed", SchemaChange.updateColumnType("s", DataTypes.VARCHAR(5)));
    }

    static void allTypes() throws Exception {
        create("all_types", Schema.newBuilder().column("id", DataTypes.INT()).column("bo", DataTypes.BOOLEAN()).column("ti", DataTypes.TINYINT()).column("si", DataTypes.SMALLINT())
                .column("bi", DataTypes.BIGINT()).column("fl", DataTypes.FLOAT()).column("dbl", DataTypes.DOUBLE()).column("d9", DataTypes.DECIMAL(9, 2)).column("d18", DataTypes.DECIMAL(18, 4))
                .column("d38", DataTypes.DECIMAL(38, 10)).column("ch", DataTypes.CHAR(4)).column("vc", DataTypes.VARCHAR(10)).column("st", DataTypes.STRING())
                .column("bin", DataTypes.BINARY(3)).column("by", DataTypes.BYTES()).column("dt", DataTypes.DATE()).column("ti0", DataTypes.TIME(3))
                .column("ts0", DataTypes.TIMESTAMP(0)).column("ts3", DataTypes.TIMESTAMP(3)).column("ts6", DataTypes.TIMESTAMP(6))
                .column("lz3", DataTypes.TIMESTAMP_WITH_LOCAL_TIME_ZONE(3)).column("lz6", DataTypes.TIMESTAMP_WITH_LOCAL_TIME_ZONE(6))
                .column("ar", DataTypes.ARRAY(DataTypes.STRING())).column("mp", DataTypes.MAP(DataTypes.STRING(), DataTypes.INT()))
                .column("ro", DataTypes.ROW(DataTypes.FIELD(40, "x", DataTypes.INT()), DataTypes.FIELD(41, "y", DataTypes.ARRAY(DataTypes.BIGINT())), DataTypes.FIELD(42, "b", DataTypes.BYTES())))
                .option("bucket", "-1"));
        List<GenericRow> rows = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            Map<Object, Object> map = new LinkedHashMap<>();
            for (int k = 0; k < i % 3; k++) map.put(s(k == 0 ? "m" : "k" + k), k == 1 ? null : i);
            rows.add(GenericRow.of(i, i % 2 == 0, (byte) -i, (short) (i * 1000), Long.MIN_VALUE + i, i == 3 ? Float.NaN : i * -0.25f, i == 4 ? Double.NEGATIVE_INFINITY : i * 1e300,
                    dec(new BigDecimal("-1234567.89").add(new BigDecimal(i)), 9, 2), dec(new BigDecimal("12345678901234.5678").add(new BigDecimal(i)), 18, 4),
                    dec(new BigDecimal("-1234567890123456789012345678.0123456789").add(new BigDecimal(i)), 38, 10), s("ab"), s("vc" + i), s(i == 5 ? "" : "ünï " + i),
                    new byte[] {1, 2, (byte) i}, i == 5 ? new byte[0] : new byte[] {(byte) 0xff, (byte) i}, -1 + i * 10000, i * 1000 + 7,
                    Timestamp.fromEpochMillis(i * -1000L), Timestamp.fromEpochMillis(-62135596800000L + i), Timestamp.fromMicros(253402300799999999L - i),
                    Timestamp.fromEpochMillis(1_600_000_000_000L + i), Timestamp.fromMicros(-1L - i),
                    new GenericArray(i % 2 == 0 ? new Object[] {s("a" + i), null} : new Object[0]), new GenericMap(map),
                    GenericRow.of(i, new GenericArray(new Object[] {(long) i, null}), new byte[] {(byte) i})));
        }
        GenericRow nulls = new GenericRow(25);
        nulls.setField(0, 100);
        rows.add(nulls);
        write("all_types", rows);
        expect("all_types");
    }

    static void timestampNine() throws Exception {
        create("timestamp_nine", Schema.newBuilder().column("id", DataTypes.INT()).column("ts", DataTypes.TIMESTAMP(9)).column("lz", DataTypes.TIMESTAMP_WITH_LOCAL_TIME_ZONE(9)).option("bucket", "-1"));
        long[] millis = {0, -1, 1_700_000_000_123L, -62135596800000L, 253402300799999L, -9_300_000_000_000L};
        List<GenericRow> rows = new ArrayList<>();
        for (int i = 0; i < millis.length; i++)
            rows.add(GenericRow.of(i, Timestamp.fromEpochMillis(millis[i], 456_789), Timestamp.fromEpochMillis(millis[i], 999_999)));
        rows.add(GenericRow.of(100, null, null));
        write("timestamp_nine", rows);
        expect("timestamp_nine");
    }

    static void legacySystemColumns() throws Exception {
        create("legacy_log", Schema.newBuilder().column("id", DataTypes.INT()).column("__bucket", DataTypes.INT()).column("__offset", DataTypes.BIGINT())
                .column("__timestamp", DataTypes.TIMESTAMP_WITH_LOCAL_TIME_ZONE(6)).option("bucket", "2").option("bucket-key", "id"));
        List<GenericRow> rows = new ArrayList<>();
        for (int i = 0; i < 10; i++) rows.add(GenericRow.of(i, i % 2, (long) i, Timestamp.fromEpochMillis(1_700_000_000_000L + i)));
        write("legacy_log", rows);
        expect("legacy_log");
    }

    /** Tables that a reader must refuse by name; most have no data. */
    static void refused() throws Exception {
        String[][] pk = {{"first_row", "merge-engine", "first-row"}, {"partial_update", "merge-engine", "partial-update"}, {"aggregation", "merge-engine", "aggregation"},
            {"sequence_field", "sequence.field", "v"}, {"ignore_delete", "ignore-delete", "true"}, {"orc", "file.format", "orc"}, {"postpone", "bucket", "-2"},
            {"merge_on_read", "deletion-vectors.merge-on-read", "true"}};
        for (String[] t : pk) create("refused_" + t[0], pk().option("bucket", "1").option(t[1], t[2]));
        create("refused_record_level", Schema.newBuilder().column("id", DataTypes.INT().notNull()).column("at", DataTypes.INT().notNull()).primaryKey("id").option("bucket", "1")
                .option("record-level.expire-time", "1 d").option("record-level.time-field", "at"));
        create("refused_row_tracking", Schema.newBuilder().column("id", DataTypes.INT()).option("bucket", "-1").option("row-tracking.enabled", "true"));
        create("refused_variant", Schema.newBuilder().column("id", DataTypes.INT()).column("v", DataTypes.VARIANT()).option("bucket", "-1"));
        create("refused_nano_key", Schema.newBuilder().column("at", DataTypes.TIMESTAMP(9).notNull()).primaryKey("at").option("bucket", "1"));
        create("empty", Schema.newBuilder().column("id", DataTypes.INT()).option("bucket", "-1"));
        // the option says parquet, one file does not
        create("refused_mixed_format", Schema.newBuilder().column("id", DataTypes.INT()).option("bucket", "-1"));
        write(table("refused_mixed_format").copy(Map.of("file.format", "avro")), List.of(GenericRow.of(1)));
    }

    // ---- writing ----------------------------------------------------------------------------

    static BinaryString s(String text) {
        return BinaryString.fromString(text);
    }

    static Decimal dec(BigDecimal value, int precision, int scale) {
        return Decimal.fromBigDecimal(value, precision, scale);
    }

    static void create(String name, Schema.Builder schema) throws Exception {
        catalog.createTable(Identifier.create(DB, name), schema.build(), false);
    }

    static void alter(String name, SchemaChange... changes) throws Exception {
        catalog.alterTable(Identifier.create(DB, name), List.of(changes), false);
    }

    static Table table(String name) throws Exception {
        return catalog.getTable(Identifier.create(DB, name));
    }

    static void write(String name, List<GenericRow> rows) throws Exception {
        write(table(name), rows);
    }

    static void write(Table table, List<GenericRow> rows) throws Exception {
        BatchWriteBuilder builder = table.newBatchWriteBuilder();
        try (BatchTableWrite write = builder.newWrite(); BatchTableCommit commit = builder.newCommit()) {
            write.withIOManager(io);
            for (GenericRow row : rows) write.write(row);
            commit.commit(write.prepareCommit());
        }
    }

    static void compact(String name) throws Exception {
        BatchWriteBuilder builder = table(name).newBatchWriteBuilder();
        try (BatchTableWrite write = builder.newWrite(); BatchTableCommit commit = builder.newCommit()) {
            write.withIOManager(io);
            write.compact(BinaryRow.EMPTY_ROW, 0, true);
            commit.commit(write.prepareCommit());
        }
    }

    // ---- what Paimon's reader sees ----------------------------------------------------------

    static void expect(String name) throws Exception {
        expect(table(name), name);
    }

    static void expect(String name, long snapshot) throws Exception {
        expect(table(name).copy(Map.of("scan.snapshot-id", String.valueOf(snapshot))), name + "@" + snapshot);
    }

    static void expect(Table table, String file) throws Exception {
        RowType type = table.rowType();
        List<String> lines = new ArrayList<>();
        ReadBuilder builder = table.newReadBuilder();
        try (RecordReader<InternalRow> reader = builder.newRead().createReader(builder.newScan().plan())) {
            reader.forEachRemaining(row -> lines.add(render(type, row)));
        }
        Collections.sort(lines);
        List<String> names = new ArrayList<>();
        for (DataField field : type.getFields()) names.add(quote(field.name()));
        try (PrintWriter out = new PrintWriter(expected.resolve(file + ".jsonl").toFile(), StandardCharsets.UTF_8)) {
            out.print("[" + String.join(",", names) + "]\n");
            for (String line : lines) out.print(line + "\n");
        }
    }

    static String render(RowType type, InternalRow row) {
        List<String> cells = new ArrayList<>();
        for (int i = 0; i < type.getFieldCount(); i++) {
            DataType t = type.getTypeAt(i);
            cells.add(render(t, InternalRow.createFieldGetter(t, i).getFieldOrNull(row)));
        }
        return "[" + String.join(",", cells) + "]";
    }

    /** JSON; numbers as strings, floats by their bits, instants in microseconds, bytes in hex, maps as pairs in order. */
    static String render(DataType type, Object value) {
        if (value == null) return "null";
        if (value instanceof Boolean) return quote(value.toString());
        if (value instanceof Float) return quote(String.format("%08x", Float.floatToIntBits((Float) value)));
        if (value instanceof Double) return quote(String.format("%016x", Double.doubleToLongBits((Double) value)));
        if (value instanceof Decimal) return quote(((Decimal) value).toBigDecimal().toPlainString());
        if (value instanceof Timestamp) {
            Timestamp t = (Timestamp) value;
            return quote(String.valueOf(t.getMillisecond() * 1000 + t.getNanoOfMillisecond() / 1000));
        }
        if (value instanceof byte[]) {
            StringBuilder hex = new StringBuilder();
            for (byte b : (byte[]) value) hex.append(String.format("%02x", b));
            return quote(hex.toString());
        }
        if (value instanceof InternalRow) return render((RowType) type, (InternalRow) value);
        if (value instanceof InternalMap) {
            MapType map = (MapType) type;
            InternalMap m = (InternalMap) value;
            List<String> pairs = new ArrayList<>();
            for (int i = 0; i < m.size(); i++) pairs.add("[" + element(m.keyArray(), map.getKeyType(), i) + "," + element(m.valueArray(), map.getValueType(), i) + "]");
            return "[" + String.join(",", pairs) + "]";
        }
        if (value instanceof InternalArray) {
            InternalArray array = (InternalArray) value;
            List<String> cells = new ArrayList<>();
            for (int i = 0; i < array.size(); i++) cells.add(element(array, ((ArrayType) type).getElementType(), i));
            return "[" + String.join(",", cells) + "]";
        }
        return quote(value.toString());
    }

    static String element(InternalArray array, DataType type, int i) {
        return render(type, InternalArray.createElementGetter(type).getElementOrNull(array, i));
    }

    static String quote(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}

import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.fluss.client.Connection;
import org.apache.fluss.client.ConnectionFactory;
import org.apache.fluss.client.table.Table;
import org.apache.fluss.client.table.writer.AppendWriter;
import org.apache.fluss.client.table.writer.UpsertWriter;
import org.apache.fluss.compression.ArrowCompressionInfo;
import org.apache.fluss.compression.ArrowCompressionType;
import org.apache.fluss.config.Configuration;
import org.apache.fluss.memory.UnmanagedPagedOutputView;
import org.apache.fluss.metadata.Schema;
import org.apache.fluss.metadata.TablePath;
import org.apache.fluss.record.ChangeType;
import org.apache.fluss.record.MemoryLogRecordsArrowBuilder;
import org.apache.fluss.record.MemoryLogRecordsCompactedBuilder;
import org.apache.fluss.record.MemoryLogRecordsIndexedBuilder;
import org.apache.fluss.record.bytesview.BytesView;
import org.apache.fluss.row.BinaryString;
import org.apache.fluss.row.Decimal;
import org.apache.fluss.row.GenericArray;
import org.apache.fluss.row.GenericMap;
import org.apache.fluss.row.GenericRow;
import org.apache.fluss.row.TimestampLtz;
import org.apache.fluss.row.TimestampNtz;
import org.apache.fluss.row.arrow.ArrowWriter;
import org.apache.fluss.row.arrow.ArrowWriterPool;
import org.apache.fluss.row.compacted.CompactedRow;
import org.apache.fluss.row.encode.CompactedRowEncoder;
import org.apache.fluss.row.encode.IndexedRowEncoder;
import org.apache.fluss.row.indexed.IndexedRow;
import org.apache.fluss.shaded.arrow.org.apache.arrow.memory.RootAllocator;
import org.apache.fluss.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.fluss.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.fluss.types.ArrayType;
import org.apache.fluss.types.DataType;
import org.apache.fluss.types.DecimalType;
import org.apache.fluss.types.MapType;
import org.apache.fluss.types.RowType;

/**
 * Writes rows with Fluss's own writers.
 *
 * <p>{@code Rows DIRECTORY}: those of {@code values.json} in every format, into files.
 *
 * <p>{@code Rows BOOTSTRAP DATABASE TABLE FILE}: into a table. The file has a JSON list of {@code ["upsert", ROW]}, {@code ["delete",
 * ROW]} and {@code ["append", ROW]}, rows as in {@code values.json}.
 */
public final class Rows {
    private static final int SCHEMA_ID = 1;
    private static final ChangeType[] CHANGES = {
        ChangeType.INSERT, ChangeType.UPDATE_BEFORE, ChangeType.UPDATE_AFTER, ChangeType.DELETE
    };

    public static void main(String[] args) throws Exception {
        if (args.length == 1) {
            writeFiles(Path.of(args[0]));
        } else {
            writeTable(args[0], TablePath.of(args[1], args[2]), Path.of(args[3]));
        }
    }

    private static void writeTable(String bootstrap, TablePath path, Path file) throws Exception {
        JsonNode changes = new ObjectMapper().readTree(Files.readAllBytes(file));
        Configuration configuration = new Configuration();
        configuration.setString("bootstrap.servers", bootstrap);
        try (Connection connection = ConnectionFactory.createConnection(configuration);
                Table table = connection.getTable(path)) {
            RowType type = table.getTableInfo().getRowType();
            boolean appends = !table.getTableInfo().hasPrimaryKey();
            AppendWriter append = appends ? table.newAppend().createWriter() : null;
            UpsertWriter upsert = appends ? null : table.newUpsert().createWriter();
            List<CompletableFuture<?>> written = new ArrayList<>();
            for (JsonNode change : changes) {
                GenericRow row = (GenericRow) value(type, change.get(1));
                switch (change.get(0).asText()) {
                    case "append":
                        written.add(append.append(row));
                        break;
                    case "upsert":
                        written.add(upsert.upsert(row));
                        break;
                    case "delete":
                        written.add(upsert.delete(row));
                        break;
                    default:
                        throw new IllegalArgumentException(change.toString());
                }
            }
            (appends ? append : upsert).flush();
            // flush itself tells of no failure
            written.forEach(CompletableFuture::join);
        }
        // the client's threads are not daemons
        Runtime.getRuntime().halt(0);
    }

    private static void writeFiles(Path directory) throws Exception {
        JsonNode json = new ObjectMapper().readTree(Files.readAllBytes(directory.resolve("values.json")));
        Schema schema = Schema.fromJsonBytes(json.get("schema").toString().getBytes("UTF-8"));
        RowType type = schema.getRowType();
        List<GenericRow> rows = new ArrayList<>();
        json.get("rows").forEach(row -> rows.add((GenericRow) value(type, row)));

        for (boolean appends : new boolean[] {true, false}) {
            String suffix = appends ? "" : "_changes";
            write(directory, "arrow" + suffix, arrow(type, rows, appends, ArrowCompressionType.NONE));
            write(directory, "indexed" + suffix, indexed(type, rows, appends));
            write(directory, "compacted" + suffix, compacted(type, rows, appends));
        }
        write(directory, "arrow_lz4", arrow(type, rows, true, ArrowCompressionType.LZ4_FRAME));
        write(directory, "arrow_zstd", arrow(type, rows, true, ArrowCompressionType.ZSTD));

        IndexedRowEncoder indexed = new IndexedRowEncoder(type);
        CompactedRowEncoder compacted = new CompactedRowEncoder(types(type));
        List<byte[]> indexedState = new ArrayList<>();
        List<byte[]> compactedState = new ArrayList<>();
        for (GenericRow row : rows) {
            indexed.startNewRow();
            compacted.startNewRow();
            for (int i = 0; i < row.getFieldCount(); i++) {
                indexed.encodeField(i, row.getField(i));
                compacted.encodeField(i, row.getField(i));
            }
            IndexedRow asIndexed = indexed.finishRow();
            indexedState.add(bytes(asIndexed));
            compactedState.add(bytes(compacted.finishRow()));
        }
        Files.write(directory.resolve("state_indexed.bin"), state(indexedState));
        Files.write(directory.resolve("state_compacted.bin"), state(compactedState));
    }

    private static byte[] bytes(org.apache.fluss.row.BinaryRow row) {
        byte[] bytes = new byte[row.getSizeInBytes()];
        row.copyTo(bytes, 0);
        return bytes;
    }

    /** A value batch as LimitScan answers it. */
    private static byte[] state(List<byte[]> rows) {
        int length = 5 + rows.stream().mapToInt(row -> 6 + row.length).sum();
        ByteBuffer batch = ByteBuffer.allocate(4 + length).order(ByteOrder.LITTLE_ENDIAN);
        batch.putInt(length).put((byte) 0).putInt(rows.size());
        for (byte[] row : rows) {
            batch.putInt(2 + row.length).putShort((short) SCHEMA_ID).put(row);
        }
        return batch.array();
    }

    private static DataType[] types(RowType type) {
        return type.getChildren().toArray(new DataType[0]);
    }

    private static ChangeType change(boolean appends, int row) {
        return appends ? ChangeType.APPEND_ONLY : CHANGES[row % CHANGES.length];
    }

    private static BytesView arrow(
            RowType type, List<GenericRow> rows, boolean appends, ArrowCompressionType compression)
            throws Exception {
        ArrowWriterPool pool = new ArrowWriterPool(new RootAllocator(Long.MAX_VALUE));
        ArrowCompressionInfo how = new ArrowCompressionInfo(compression, -1);
        ArrowWriter writer = pool.getOrCreateWriter(1L, SCHEMA_ID, 1 << 20, type, how);
        MemoryLogRecordsArrowBuilder builder =
                MemoryLogRecordsArrowBuilder.builder(SCHEMA_ID, writer, new UnmanagedPagedOutputView(1 << 16), appends);
        for (int i = 0; i < rows.size(); i++) {
            builder.append(change(appends, i), rows.get(i));
        }
        builder.close();
        return builder.build();
    }

    private static BytesView indexed(RowType type, List<GenericRow> rows, boolean appends) throws Exception {
        MemoryLogRecordsIndexedBuilder builder =
                MemoryLogRecordsIndexedBuilder.builder(
                        SCHEMA_ID, 1 << 20, new UnmanagedPagedOutputView(1 << 16), appends);
        for (int i = 0; i < rows.size(); i++) {
            IndexedRowEncoder encoder = new IndexedRowEncoder(type);
            encoder.startNewRow();
            for (int field = 0; field < type.getFieldCount(); field++) {
                encoder.encodeField(field, rows.get(i).getField(field));
            }
            builder.append(change(appends, i), encoder.finishRow());
        }
        return builder.build();
    }

    private static BytesView compacted(RowType type, List<GenericRow> rows, boolean appends) throws Exception {
        MemoryLogRecordsCompactedBuilder builder =
                MemoryLogRecordsCompactedBuilder.builder(
                        SCHEMA_ID, 1 << 20, new UnmanagedPagedOutputView(1 << 16), appends);
        for (int i = 0; i < rows.size(); i++) {
            CompactedRowEncoder encoder = new CompactedRowEncoder(types(type));
            encoder.startNewRow();
            for (int field = 0; field < type.getFieldCount(); field++) {
                encoder.encodeField(field, rows.get(i).getField(field));
            }
            CompactedRow row = encoder.finishRow();
            builder.append(change(appends, i), row);
        }
        return builder.build();
    }

    private static void write(Path directory, String name, BytesView view) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        byte[] whole = new byte[view.getBytesLength()];
        view.getByteBuf().getBytes(0, whole);
        bytes.write(whole);
        Files.write(directory.resolve("log_" + name + ".bin"), bytes.toByteArray());
    }

    private static Object value(DataType type, JsonNode json) {
        if (json.isNull()) {
            return null;
        }
        switch (type.getTypeRoot()) {
            case BOOLEAN:
                return json.asBoolean();
            case TINYINT:
                return (byte) json.asInt();
            case SMALLINT:
                return (short) json.asInt();
            case INTEGER:
            case DATE:
            case TIME_WITHOUT_TIME_ZONE:
                return json.asInt();
            case BIGINT:
                return json.asLong();
            case FLOAT:
                return Float.parseFloat(json.asText());
            case DOUBLE:
                return Double.parseDouble(json.asText());
            case CHAR:
            case STRING:
                return BinaryString.fromString(json.asText());
            case BINARY:
            case BYTES:
                return hex(json.asText());
            case DECIMAL:
                DecimalType decimal = (DecimalType) type;
                BigDecimal number = new BigDecimal(new BigInteger(json.asText()), decimal.getScale());
                return Decimal.fromBigDecimal(number, decimal.getPrecision(), decimal.getScale());
            case TIMESTAMP_WITHOUT_TIME_ZONE:
                return TimestampNtz.fromMillis(json.get(0).asLong(), json.get(1).asInt());
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return TimestampLtz.fromEpochMillis(json.get(0).asLong(), json.get(1).asInt());
            case ARRAY:
                List<Object> elements = new ArrayList<>();
                json.forEach(item -> elements.add(value(((ArrayType) type).getElementType(), item)));
                return new GenericArray(elements.toArray());
            case MAP:
                Map<Object, Object> entries = new LinkedHashMap<>();
                MapType map = (MapType) type;
                json.forEach(
                        entry -> entries.put(value(map.getKeyType(), entry.get(0)), value(map.getValueType(), entry.get(1))));
                return new GenericMap(entries);
            case ROW:
                List<DataType> fields = ((RowType) type).getChildren();
                GenericRow row = new GenericRow(fields.size());
                for (int i = 0; i < fields.size(); i++) {
                    row.setField(i, value(fields.get(i), json.get(i)));
                }
                return row;
            default:
                throw new IllegalArgumentException(type.toString());
        }
    }

    private static byte[] hex(String text) {
        byte[] bytes = new byte[text.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }
}

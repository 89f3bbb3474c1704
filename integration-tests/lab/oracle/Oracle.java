import java.io.BufferedWriter;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Flink's batch union read as an independent answer to a SELECT over Fluss tables.
 *
 * <p>{@code Oracle SECONDS DATABASE SQL… -- KEY=VALUE…}: the options after {@code --} are those of the Fluss catalog. Each statement
 * prints its rows, one a line, columns separated by tabs, and then a line {@code \.}; NULL is {@code \N}; backslash, tab and line
 * breaks inside a value are escaped, so neither marker can be a value. An INSERT has no rows and is over when its line comes. Ends with status 124 when the time limit has passed: Flink's
 * bounded log scanner waits for ever on some tables.
 */
public final class Oracle {
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");
    private static final String END = "\\.\n";

    public static void main(String[] args) throws Exception {
        limit(Long.parseLong(args[0]));
        List<String> rest = Arrays.asList(args).subList(2, args.length);
        int split = rest.indexOf("--");
        TableEnvironment flink = TableEnvironment.create(EnvironmentSettings.inBatchMode());
        flink.getConfig().set("parallelism.default", "1");
        flink.getConfig().set("table.local-time-zone", "UTC");
        flink.executeSql("CREATE CATALOG fluss WITH (" + options(rest.subList(split + 1, rest.size())) + ")");
        flink.executeSql("USE CATALOG fluss");
        flink.executeSql("USE `" + args[1] + "`");
        PrintWriter out =
                new PrintWriter(new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8)));
        for (String sql : rest.subList(0, split)) {
            if (sql.startsWith("INSERT ")) {
                // not await(), which asks a cluster that ends with its job
                flink.executeSql(sql).getJobClient().get().getJobExecutionResult().get();
                out.print(END);
            } else {
                print(flink, sql, out);
            }
        }
        out.flush();
        // the client's threads are not daemons
        Runtime.getRuntime().halt(0);
    }

    private static void limit(long seconds) {
        Thread watch =
                new Thread(
                        () -> {
                            try {
                                Thread.sleep(seconds * 1000);
                            } catch (InterruptedException e) {
                                return;
                            }
                            System.err.println("no answer within " + seconds + " s");
                            Runtime.getRuntime().halt(124);
                        });
        watch.setDaemon(true);
        watch.start();
    }

    private static String options(List<String> pairs) {
        List<String> quoted = new ArrayList<>();
        for (String pair : pairs) {
            int equals = pair.indexOf('=');
            quoted.add(quote(pair.substring(0, equals)) + "=" + quote(pair.substring(equals + 1)));
        }
        return String.join(", ", quoted);
    }

    private static String quote(String text) {
        return "'" + text.replace("'", "''") + "'";
    }

    private static void print(TableEnvironment flink, String sql, PrintWriter out) throws Exception {
        try (CloseableIterator<Row> rows = flink.executeSql(sql).collect()) {
            while (rows.hasNext()) {
                Row row = rows.next();
                for (int i = 0; i < row.getArity(); i++) {
                    out.print(i == 0 ? "" : "\t");
                    out.print(row.getField(i) == null ? "\\N" : escape(text(row.getField(i))));
                }
                out.print('\n');
            }
        }
        out.print(END);
        out.flush();
    }

    private static String text(Object value) {
        if (value instanceof BigDecimal) {
            return ((BigDecimal) value).toPlainString();
        } else if (value instanceof LocalDateTime) {
            return timestamp((LocalDateTime) value);
        } else if (value instanceof Instant) {
            return timestamp(LocalDateTime.ofInstant((Instant) value, ZoneOffset.UTC));
        } else if (value instanceof byte[]) {
            return hex((byte[]) value);
        } else if (value instanceof Object[]) {
            List<String> items = new ArrayList<>();
            for (Object item : (Object[]) value) {
                items.add(item == null ? "NULL" : text(item));
            }
            return "[" + String.join(", ", items) + "]";
        } else if (value instanceof Map) {
            TreeMap<String, String> items = new TreeMap<>();
            ((Map<?, ?>) value).forEach((k, v) -> items.put(text(k), v == null ? "NULL" : text(v)));
            return items.toString();
        }
        return value.toString();
    }

    /** The fraction has 0, 3, 6 or 9 digits, as few as hold the value. */
    private static String timestamp(LocalDateTime value) {
        String seconds = TIMESTAMP.format(value);
        int nanos = value.getNano();
        if (nanos == 0) {
            return seconds;
        }
        String digits = String.format("%09d", nanos);
        return seconds + "." + digits.replaceAll("(000){1,2}$", "");
    }

    private static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            text.append(String.format("%02x", b));
        }
        return text.toString();
    }

    private static String escape(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
    }
}

import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * A driver of JDBC, MySQL Connector/J or (-Ddriver=mariadb) MariaDB Connector/J: the checks of queries.json; prepared
 * statements on the server.
 */
final class Jdbc {
    private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder()
            .appendPattern("HH:mm:ss").appendFraction(ChronoField.NANO_OF_SECOND, 0, 9, true).toFormatter();
    private static final DateTimeFormatter TIMESTAMP = new DateTimeFormatterBuilder()
            .appendPattern("uuuu-MM-dd ").append(TIME).toFormatter();

    private static final boolean MARIADB = "mariadb".equals(System.getProperty("driver"));

    private interface Act {
        List<List<String>> run() throws Exception;
    }

    /** The driver cannot do it; says why. */
    private static final class Unsupported extends Exception {
        private static final long serialVersionUID = 1;

        private Unsupported(String why) {
            super(why);
        }
    }

    private final String host;
    private final String port;
    private final String database;
    private final String lockedPort;
    private final String password;
    private final Map<String, Object> checks;
    private final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private Connection connection;

    private Jdbc(String[] arguments) throws Exception {
        host = arguments[0];
        port = arguments[1];
        database = arguments[2];
        lockedPort = arguments[3];
        password = arguments[4];
        checks = object(new Json(Files.readString(Path.of(arguments[5]))).value());
        connection = connect(port, database, Map.of());
    }

    /** HOST PORT DATABASE LOCKED_PORT PASSWORD QUERIES. */
    public static void main(String[] arguments) throws Exception {
        new Jdbc(arguments).all();
    }

    private Connection connect(String port, String database, Map<String, String> options) throws SQLException {
        Properties properties = new Properties();
        properties.putAll(Map.of("user", "root", "useServerPrepStmts", "true", "allowMultiQueries", "true"));
        if (MARIADB) {
            properties.put("sslMode", "disable");
        } else {
            properties.putAll(Map.of("emulateUnsupportedPstmts", "false", "sslMode", "DISABLED",
                    "connectionTimeZone", "UTC"));
        }
        properties.putAll(options);
        String url = "jdbc:" + (MARIADB ? "mariadb" : "mysql") + "://" + host + ":" + port + "/" + database;
        return DriverManager.getConnection(url, properties);
    }

    private void all() throws Exception {
        for (Map<String, Object> check : list("queries")) check(text(check, "name"), () -> one(check));
        for (Map<String, Object> check : list("prepared")) {
            List<Object> parameters = new ArrayList<>();
            for (Object given : (List<?>) check.get("parameters")) {
                object(given).forEach((kind, value) -> parameters.add(parameter(kind, (String) value)));
            }
            check(text(check, "name"), () -> prepared(text(check, "sql"), List.of(parameters)));
        }
        for (Map<String, Object> check : list("errors")) {
            check(text(check, "name"), () -> one(check));
            check("after " + text(check, "name"), () -> query("SELECT 1"));
        }
        session();
        logins();
        connection.close();
    }

    private void session() throws Exception {
        check("ping", () -> {
            if (!connection.isValid(5)) throw new AssertionError("not valid");
            return List.of();
        });
        check("use", () -> {
            try (Connection other = connect(port, "", Map.of())) {
                // setCatalog would quote the name as a whole
                query(other, "USE " + database);
                return query(other, "SELECT database()");
            }
        });
        check("several statements", () -> query("SELECT 1; SELECT 'two'; SELECT 3"));
        check("prepared twice", () -> prepared("SELECT id FROM types WHERE id = ?", List.of(List.of(1), List.of(4))));
        check("prepare an error", () -> prepared("SELECT * FROM nothing WHERE id = ?", List.of(List.of(1))));
        check("warnings", () -> {
            try {
                query("SELECT * FROM nothing");
            } catch (SQLException expected) {
                // it is counted
            }
            return query("SHOW COUNT(*) WARNINGS");
        });
        check("compressed", () -> {
            try (Connection other = connect(port, database, Map.of("useCompression", "true"))) {
                return query(other, "SELECT * FROM types ORDER BY id");
            }
        });
        String ids = "SELECT id FROM types ORDER BY id";
        check("cursor", () -> fetched(ids, 100));
        check("empty cursor", () -> fetched("SELECT id FROM types WHERE id < 0", 100));
        check("cursor left in the middle", () -> fetched(ids, 3));
        check("kill query", () -> {
            // other clients may ask the same at this time
            String label = "count(*) AS of_" + ProcessHandle.current().pid();
            String slow = text(checks, "slow").replace("count(*)", label);
            Thread killer = new Thread(() -> killWhenSeen(slow));
            killer.start();
            try {
                return query(slow);
            } finally {
                killer.join();
            }
        });
        check("after kill query", () -> query("SELECT 1"));
        check("query timeout", this::timeout);
        check("reset", () -> {
            if (MARIADB) throw new Unsupported("resets no server but MariaDB");
            query("SET time_zone = '+03:00'");
            // the driver's own method
            connection.getClass().getMethod("resetServerState").invoke(connection);
            return query("SELECT @@time_zone");
        });
        check("reconnect", () -> {
            connection.close();
            connection = connect(port, database, Map.of());
            return query("SELECT 1");
        });
    }

    /** Fetches two rows at a time, and no more than so many; then the connection is asked for something else. */
    private List<List<String>> fetched(String sql, int most) throws Exception {
        if (MARIADB) throw new Unsupported("asks for no cursor");
        List<List<String>> rows = new ArrayList<>();
        try (Connection other = connect(port, database, Map.of("useCursorFetch", "true"))) {
            try (PreparedStatement statement = other.prepareStatement(sql)) {
                statement.setFetchSize(2);
                ResultSet result = statement.executeQuery();
                while (rows.size() < most && result.next()) rows.add(List.of(result.getString(1)));
            }
            if (query(other, "SELECT 1").size() != 1) throw new AssertionError("no row after a cursor");
        }
        return rows;
    }

    /** The driver cancels by KILL QUERY over a connection of its own. */
    private List<List<String>> timeout() throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            statement.executeQuery(filled("{slow}"));
        } catch (SQLTimeoutException expected) {
            rows.add(List.of("cancelled"));
        }
        rows.addAll(query("SELECT 1"));
        return rows;
    }

    private void killWhenSeen(String sql) {
        long until = System.nanoTime() + 10_000_000_000L;
        try (Connection other = connect(port, "", Map.of())) {
            while (System.nanoTime() < until) {
                for (List<String> row : query(other, "SHOW FULL PROCESSLIST")) {
                    if (sql.equals(row.get(7))) {
                        query(other, "KILL QUERY " + row.get(0));
                        return;
                    }
                }
            }
        } catch (SQLException error) {
            error.printStackTrace();
        }
    }

    private void logins() throws Exception {
        Map<String, String> right = Map.of("password", password);
        // the certificate of a test is nobody's; neither of these looks at it
        String encrypted = MARIADB ? "trust" : "REQUIRED";
        Map<String, String> tls = Map.of("password", password, "sslMode", encrypted);
        login("plain login", "", right);
        login("TLS login", "", tls);
        if (MARIADB) {
            login("native password", "", Map.of("password", password, "restrictedAuth", "mysql_native_password"));
        } else {
            login("native password", "", Map.of("password", password, "sslMode", encrypted,
                    "defaultAuthenticationPlugin", "mysql_native_password"));
        }
        login("wrong password", "", Map.of("password", "wrong"));
        login("wrong password, TLS", "", Map.of("password", "wrong", "sslMode", encrypted));
        login("no password", "", Map.of());
        login("unknown database at login", "nowhere.nothing", right);
    }

    private void login(String name, String database, Map<String, String> options) throws Exception {
        check(name, () -> {
            try (Connection locked = connect(lockedPort, database, options)) {
                return query(locked, "SELECT 1");
            }
        });
    }

    private void check(String name, Act act) throws Exception {
        String answer;
        try {
            List<String> rows = new ArrayList<>();
            for (List<String> row : act.run()) {
                List<String> values = new ArrayList<>();
                for (String value : row) values.add(value == null ? "null" : Json.quoted(value));
                rows.add("[" + String.join(",", values) + "]");
            }
            answer = "\"rows\":[" + String.join(",", rows) + "]";
        } catch (Unsupported why) {
            answer = "\"skipped\":" + Json.quoted(why.getMessage());
        } catch (SQLException error) {
            if (error.getErrorCode() == 0) throw new Exception(name, error);
            answer = "\"error\":" + error.getErrorCode();
        }
        out.println("{\"check\":" + Json.quoted(name) + "," + answer + "}");
    }

    private List<List<String>> one(Map<String, Object> check) throws SQLException {
        if (check.containsKey("set")) query(text(check, "set"));
        try {
            return query(text(check, "sql"));
        } finally {
            if (check.containsKey("then")) query(text(check, "then"));
        }
    }

    private String filled(String sql) {
        return sql.replace("{slow}", text(checks, "slow")).replace("{database}", database);
    }

    private List<List<String>> query(String sql) throws SQLException {
        return query(connection, filled(sql));
    }

    private static List<List<String>> query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            List<List<String>> rows = new ArrayList<>();
            boolean found = statement.execute(sql);
            while (found || statement.getUpdateCount() != -1) {
                if (found) rows.addAll(rows(statement.getResultSet()));
                found = statement.getMoreResults();
            }
            return rows;
        }
    }

    private List<List<String>> prepared(String sql, List<? extends List<?>> executions) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            if (!statement.getClass().getSimpleName().startsWith("Server")) {
                throw new AssertionError("prepared by the driver, not by the server");
            }
            for (List<?> parameters : executions) {
                for (int i = 0; i < parameters.size(); i++) statement.setObject(i + 1, parameters.get(i));
                rows.addAll(rows(statement.executeQuery()));
            }
        }
        return rows;
    }

    private static List<List<String>> rows(ResultSet result) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        while (result.next()) {
            List<String> row = new ArrayList<>();
            for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) row.add(canonical(result, i));
            rows.add(row);
        }
        return rows;
    }

    private static String canonical(ResultSet row, int i) throws SQLException {
        switch (row.getMetaData().getColumnType(i)) {
            case Types.DATE:
                LocalDate date = row.getObject(i, LocalDate.class);
                return date == null ? null : date.toString();
            case Types.TIME:
                LocalTime time = row.getObject(i, LocalTime.class);
                return time == null ? null : TIME.format(time);
            case Types.TIMESTAMP:
                LocalDateTime timestamp = row.getObject(i, LocalDateTime.class);
                return timestamp == null ? null : TIMESTAMP.format(timestamp);
            default:
                return canonical(row.getObject(i));
        }
    }

    private static String canonical(Object value) {
        if (value == null) return null;
        if (value instanceof Boolean flag) return flag ? "1" : "0";
        if (value instanceof BigDecimal decimal) return decimal.toPlainString();
        if (value instanceof byte[] bytes) {
            StringBuilder text = new StringBuilder("0x");
            for (byte each : bytes) text.append(String.format("%02X", each));
            return text.toString();
        }
        return value.toString();
    }

    private static Object parameter(String kind, String text) {
        return switch (kind) {
            case "int" -> Long.valueOf(text);
            case "decimal" -> new BigDecimal(text);
            case "double" -> Double.valueOf(text);
            case "date" -> LocalDate.parse(text);
            case "timestamp" -> LocalDateTime.parse(text.replace(' ', 'T'));
            default -> text;
        };
    }

    private List<Map<String, Object>> list(String key) {
        List<Map<String, Object>> all = new ArrayList<>();
        for (Object each : (List<?>) checks.get(key)) all.add(object(each));
        return all;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    private static String text(Map<String, Object> object, String key) {
        return (String) object.get(key);
    }
}

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * What a driver of JDBC tells of the server and its tables, as dashboards ask it: the checks of metadata-jdbc.json.
 * -Ddriver=mariadb is MariaDB Connector/J, -DinformationSchema=false has MySQL Connector/J ask by SHOW.
 */
final class Metadata {
    private interface Ask {
        ResultSet ask() throws SQLException;
    }

    private static final boolean MARIADB = "mariadb".equals(System.getProperty("driver"));

    private final Connection connection;
    private final DatabaseMetaData metadata;
    private final String catalog;
    private final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Metadata(String url) throws SQLException {
        Properties properties = new Properties();
        properties.put("user", "root");
        properties.put("sslMode", MARIADB ? "disable" : "DISABLED");
        if (!MARIADB) properties.put("useInformationSchema", System.getProperty("informationSchema", "true"));
        connection = DriverManager.getConnection(url, properties);
        metadata = connection.getMetaData();
        catalog = connection.getCatalog();
    }

    /** HOST PORT DATABASE, and more that is not looked at. */
    public static void main(String[] arguments) throws Exception {
        String kind = MARIADB ? "mariadb" : "mysql";
        String url = "jdbc:" + kind + "://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2];
        new Metadata(url).all();
    }

    private void all() throws SQLException {
        say("driver: product", List.of(List.of(metadata.getDatabaseProductName(),
                String.valueOf(metadata.getDatabaseMajorVersion()), metadata.getUserName().replaceAll("@.*", ""),
                String.valueOf(metadata.getSQLKeywords().isEmpty()))));
        // a laboratory has other databases too
        check("driver: catalogs", () -> metadata.getCatalogs(), "information_schema|clients", "TABLE_CAT");
        check("driver: schemas", () -> metadata.getSchemas(), ".*", "TABLE_SCHEM");
        check("driver: table types", () -> metadata.getTableTypes(), "TABLE|VIEW", "TABLE_TYPE");
        String[] table = {"TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"};
        String[] types = {"TABLE", "VIEW"};
        check("driver: tables", () -> metadata.getTables(catalog, null, "%", null), ".*", table);
        check("driver: tables by pattern", () -> metadata.getTables(catalog, null, "vis%", types), ".*", table);
        check("driver: views", () -> metadata.getTables(catalog, null, "%", new String[] {"VIEW"}), ".*", table);
        check("driver: columns", () -> metadata.getColumns(catalog, null, "types", "%"), ".*", "COLUMN_NAME", "DATA_TYPE",
                "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE", "ORDINAL_POSITION", "COLUMN_DEF");
        check("driver: columns by pattern", () -> metadata.getColumns(catalog, null, "%", "c%"), ".*",
                "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "ORDINAL_POSITION");
        check("driver: primary keys", () -> metadata.getPrimaryKeys(catalog, null, "types"), ".*",
                "TABLE_CAT", "TABLE_NAME", "COLUMN_NAME", "KEY_SEQ", "PK_NAME");
        check("driver: no primary keys", () -> metadata.getPrimaryKeys(catalog, null, "visits"), ".*", "COLUMN_NAME");
        check("driver: index info", () -> metadata.getIndexInfo(catalog, null, "types", false, true), ".*", "TABLE_NAME",
                "NON_UNIQUE", "INDEX_NAME", "TYPE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC");
        check("driver: row identifier", () -> metadata.getBestRowIdentifier(catalog, null, "types", 2, true), ".*",
                "COLUMN_NAME", "DATA_TYPE");
        check("driver: imported keys", () -> metadata.getImportedKeys(catalog, null, "visits"), ".*", "FKCOLUMN_NAME");
        check("driver: exported keys", () -> metadata.getExportedKeys(catalog, null, "types"), ".*", "FKCOLUMN_NAME");
        check("driver: cross reference", () -> metadata.getCrossReference(catalog, null, "types", catalog, null, "visits"),
                ".*", "FKCOLUMN_NAME");
        check("driver: version columns", () -> metadata.getVersionColumns(catalog, null, "types"), ".*", "COLUMN_NAME");
        check("driver: procedures", () -> metadata.getProcedures(catalog, null, "%"), ".*", "PROCEDURE_NAME");
        check("driver: procedure columns", () -> metadata.getProcedureColumns(catalog, null, "%", "%"), ".*", "COLUMN_NAME");
        check("driver: functions", () -> metadata.getFunctions(catalog, null, "%"), ".*", "FUNCTION_NAME");
        check("driver: column privileges", () -> metadata.getColumnPrivileges(catalog, null, "types", "%"), ".*", "PRIVILEGE");
        check("driver: table privileges", () -> metadata.getTablePrivileges(catalog, null, "%"), ".*", "PRIVILEGE");
        check("driver: type info", () -> metadata.getTypeInfo(), "BIGINT|DECIMAL|VARCHAR|DATETIME", "TYPE_NAME", "DATA_TYPE");
        result("driver: result columns", "SELECT t.id AS x, name, price, price * 2 AS twice, zoned FROM types t");
        parameters("driver: parameters", "SELECT id FROM types WHERE name = ? AND day < ?");
        connection.close();
    }

    /** Some columns of the rows whose first one matches. */
    private void check(String name, Ask ask, String wanted, String... columns) {
        List<List<String>> rows = new ArrayList<>();
        try (ResultSet result = ask.ask()) {
            while (result.next()) {
                List<String> row = new ArrayList<>();
                for (String column : columns) row.add(result.getString(column));
                if (row.get(0) == null || row.get(0).matches(wanted)) rows.add(row);
            }
        } catch (SQLException error) {
            out.println("{\"check\":" + Json.quoted(name) + ",\"error\":" + error.getErrorCode() + "}");
            return;
        }
        say(name, rows);
    }

    private void result(String name, String sql) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(sql)) {
            ResultSetMetaData of = result.getMetaData();
            for (int i = 1; i <= of.getColumnCount(); i++) {
                rows.add(List.of(of.getColumnLabel(i), of.getColumnName(i), of.getTableName(i), of.getCatalogName(i),
                        of.getColumnTypeName(i), of.getColumnClassName(i), String.valueOf(of.getPrecision(i)),
                        String.valueOf(of.getScale(i)), String.valueOf(of.isNullable(i))));
            }
        }
        say(name, rows);
    }

    private void parameters(String name, String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            say(name, List.of(List.of(String.valueOf(statement.getParameterMetaData().getParameterCount()))));
        }
    }

    private void say(String name, List<List<String>> rows) {
        List<String> texts = new ArrayList<>();
        for (List<String> row : rows) {
            List<String> values = new ArrayList<>();
            for (String value : row) values.add(value == null ? "null" : Json.quoted(value));
            texts.add("[" + String.join(",", values) + "]");
        }
        out.println("{\"check\":" + Json.quoted(name) + ",\"rows\":[" + String.join(",", texts) + "]}");
    }
}

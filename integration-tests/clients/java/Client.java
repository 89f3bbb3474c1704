import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** MySQL Connector/J: the checks of every client, one line each. Arguments: port, file of queries. */
public class Client {
    public static void main(String[] arguments) throws Exception {
        String base = "jdbc:mysql://127.0.0.1:" + arguments[0] + "/";
        String url = base + "?sslMode=PREFERRED&allowPublicKeyRetrieval=true";
        try (Connection connection = DriverManager.getConnection(url, "root", "")) {
            say("version", connection.getMetaData().getDatabaseProductVersion());
            for (String query : Files.readAllLines(Path.of(arguments[1]))) {
                if (!query.isBlank()) {
                    say(query, rows(connection, query));
                }
            }
            say("error", error(connection, "SELECT * FROM fluss.fluss.nothing"));
            say("syntax", error(connection, "SELEC 1"));
            say("after", rows(connection, "SELECT 1"));
            say("valid", String.valueOf(connection.isValid(5)));
        }
        try (Connection connection = DriverManager.getConnection(url + "&useServerPrepStmts=true", "root", "")) {
            String sql = "SELECT id, name FROM fluss.clients.types WHERE id = ? AND name = ? AND amount > ?";
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int round = 0; round < 2; round++) {
                    statement.setLong(1, 2);
                    statement.setString(2, "né 'two'");
                    statement.setBigDecimal(3, new java.math.BigDecimal("-1000.5"));
                    say("prepared", rows(statement.executeQuery()));
                }
            }
            try (PreparedStatement statement = connection.prepareStatement("SELECT ? IS NULL, ?")) {
                statement.setNull(1, java.sql.Types.VARCHAR);
                statement.setInt(2, -5);
                say("prepared null", rows(statement.executeQuery()));
            }
        }
        try {
            DriverManager.getConnection(url, "root", "wrong").close();
            say("wrong password", "let in");
        } catch (SQLException refused) {
            say("wrong password", String.valueOf(refused.getErrorCode()));
        }
    }

    static void say(String what, String answer) {
        System.out.println(what + "\t" + answer);
    }

    static String error(Connection connection, String query) {
        try {
            return rows(connection, query);
        } catch (SQLException error) {
            return error.getErrorCode() + " " + error.getSQLState();
        }
    }

    static String rows(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return rows(statement.executeQuery(query));
        }
    }

    /** Rows as `a|b;c|d`, NULL as NULL. */
    static String rows(ResultSet result) throws SQLException {
        int columns = result.getMetaData().getColumnCount();
        List<String> rows = new ArrayList<>();
        while (result.next()) {
            List<String> values = new ArrayList<>();
            for (int column = 1; column <= columns; column++) {
                String value = result.getString(column);
                values.add(value == null ? "NULL" : value);
            }
            rows.add(String.join("|", values));
        }
        return String.join(";", rows);
    }
}

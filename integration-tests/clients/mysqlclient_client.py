"""mysqlclient, over MariaDB's library in C: text protocol; parameters are put into the statement by the client."""

import contextlib
import decimal

import MySQLdb

import checks


@contextlib.contextmanager
def server_errors():
    try:
        yield
    except MySQLdb.Error as error:
        raise checks.ServerError(error.args[0], str(error.args[1:])) from error


class MySqlClient(checks.Client):
    def connect(self, port=None, password="", database=None, tls=False, native=False, compress=False):
        options = {"auth_plugin": "mysql_native_password"} if native else {}
        with server_errors():
            connection = MySQLdb.connect(
                host=self.host,
                port=port or self.port,
                user="root",
                password=password,
                database=database or "",
                charset="utf8mb4",
                # without a certificate of its own, that of a test is nobody's
                ssl_mode="REQUIRED" if tls else "DISABLED",
                compress=compress,
                autocommit=True,
                **options,
            )
        if tls and not self.query(connection, "SELECT 1"):
            raise AssertionError("no row")
        return connection

    def query(self, connection, sql):
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def several(self, connection, sql):
        rows = []
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            rows.extend(cursor.fetchall())
            while cursor.nextset():
                rows.extend(cursor.fetchall())
        return rows

    def prepared(self, connection, sql, executions):
        """The rows of every execution, with parameters that the client writes as literals."""
        if any(isinstance(value, decimal.Decimal) and len(str(value)) > 17 for value in executions[0]):
            raise checks.Unsupported("a literal of so many digits is a DOUBLE")
        rows = []
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            for parameters in executions:
                cursor.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
                rows.extend(cursor.fetchall())
        return rows

    def ping(self, connection):
        with server_errors():
            connection.ping()

    def use(self, connection, database):
        with server_errors():
            connection.select_db(database)

    def reset(self, connection):
        with server_errors():
            connection.change_user("root", "", self.database)


checks.main(MySqlClient)

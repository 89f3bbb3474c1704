"""MariaDB Connector/ODBC by pyodbc: statements with parameters are prepared on the server."""

import contextlib
import re

import pyodbc

import checks


@contextlib.contextmanager
def server_errors():
    try:
        yield
    except pyodbc.Error as error:
        text = str(error.args[-1])
        number = re.search(r"\((\d+)\) \(SQL", text)
        raise checks.ServerError(int(number[1]) if number else 0, text) from error


class Odbc(checks.Client):
    def connect(self, port=None, password="", database=None, tls=False, native=False, compress=False):
        if native:
            raise checks.Unsupported("takes what the server offers")
        options = {
            "DRIVER": "{MariaDB Unicode}",
            "SERVER": self.host,
            "PORT": port or self.port,
            "UID": "root",
            "PWD": "{" + password + "}",
            "DATABASE": database or "",
            "SSLVERIFY": 0,
            "FORCETLS": int(tls),
            # several statements, and compression where it is asked for
            "OPTION": (1 << 26) + (1 << 11) * compress,
        }
        with server_errors():
            text = ";".join(f"{key}={value}" for key, value in options.items())
            return pyodbc.connect(text, autocommit=True)

    def query(self, connection, sql):
        if sql.startswith("SELECT * FROM types "):
            raise checks.Unsupported("a TIME of ODBC has no fraction")
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def several(self, connection, sql):
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
            while cursor.nextset():
                rows.extend(cursor.fetchall())
            return rows

    def prepared(self, connection, sql, executions):
        if sql.startswith("SELECT * FROM types "):
            raise checks.Unsupported("a TIME of ODBC has no fraction")
        if any(getattr(value, "microsecond", 0) for value in executions[0]):
            raise checks.Unsupported("its parameters have no fraction of a second")
        rows = []
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            for parameters in executions:
                cursor.execute(sql, parameters)
                rows.extend(cursor.fetchall())
        return rows

    def use(self, connection, database):
        self.query(connection, f"USE {database}")


checks.main(Odbc)

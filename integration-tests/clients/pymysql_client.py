"""PyMySQL: text protocol only; parameters are put into the statement by the client."""

import contextlib
import decimal

import pymysql

import checks


@contextlib.contextmanager
def server_errors():
    try:
        yield
    except pymysql.MySQLError as error:
        raise checks.ServerError(error.args[0], str(error.args[1:])) from error


class PyMySql(checks.Client):
    def connect(self, port=None, password="", database=None, tls=False, native=False, compress=False):
        options = {}
        if tls:
            # the certificate of a test is nobody's
            options["ssl"] = {"check_hostname": False, "verify_mode": "none"}
        else:
            options["ssl_disabled"] = True
        if native:
            raise checks.Unsupported("takes what the server offers")
        if compress:
            raise checks.Unsupported("compresses nothing")
        with server_errors():
            connection = pymysql.connect(
                host=self.host,
                port=port or self.port,
                user="root",
                # of a text it would send the Latin letters
                password=password.encode(),
                database=database,
                client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
                autocommit=True,
                **options,
            )
        if tls and not connection._secure:
            raise AssertionError("no TLS")
        return connection

    def query(self, connection, sql):
        with server_errors(), connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def several(self, connection, sql):
        rows = []
        with server_errors(), connection.cursor() as cursor:
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
        with server_errors(), connection.cursor() as cursor:
            for parameters in executions:
                cursor.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
                rows.extend(cursor.fetchall())
        return rows

    def ping(self, connection):
        with server_errors():
            connection.ping(reconnect=False)

    def use(self, connection, database):
        with server_errors():
            connection.select_db(database)


checks.main(PyMySql)

"""MySQL Connector/Python; prepared statements in binary. With its C extension where CONNECTOR_C is set."""

import contextlib
import os

import mysql.connector

import checks


@contextlib.contextmanager
def server_errors():
    try:
        yield
    except mysql.connector.Error as error:
        raise checks.ServerError(error.errno, error.msg) from error


class Connector(checks.Client):
    def connect(self, port=None, password="", database=None, tls=False, native=False, compress=False):
        if native and "CONNECTOR_C" in os.environ:
            raise checks.Unsupported("its library has no such plug-in since 9.0")
        options = {"auth_plugin": "mysql_native_password"} if native else {}
        with server_errors():
            connection = mysql.connector.connect(
                host=self.host,
                port=port or self.port,
                user="root",
                password=password,
                database=database,
                ssl_disabled=not tls,
                use_pure="CONNECTOR_C" not in os.environ,
                compress=compress,
                autocommit=True,
                **options,
            )
        in_c = hasattr(connection, "_cmysql")
        if tls and not (connection._cmysql.get_ssl_cipher() if in_c else connection.is_secure):
            raise AssertionError("no TLS")
        return connection

    def query(self, connection, sql):
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.with_rows else []

    def several(self, connection, sql):
        with server_errors(), contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
            while cursor.nextset():
                rows.extend(cursor.fetchall())
            return rows

    def prepared(self, connection, sql, executions):
        rows = []
        with server_errors(), contextlib.closing(connection.cursor(prepared=True)) as cursor:
            for parameters in executions:
                cursor.execute(sql, parameters)
                rows.extend(cursor.fetchall())
        return rows

    def ping(self, connection):
        with server_errors():
            connection.ping(reconnect=False)

    def use(self, connection, database):
        with server_errors():
            connection.database = database

    def reset(self, connection):
        with server_errors():
            connection.cmd_reset_connection()


checks.main(Connector)

"""The checks of queries.json in the order that all clients keep, for the clients that Python drives.

A client is a subclass of `Client`. Everything is printed as lines of JSON, in the form that tests/it/clients.rs reads.
"""

import datetime
import decimal
import json
import os
import sys
import threading
import time


class ServerError(Exception):
    """An error that the server sent."""

    def __init__(self, number, text):
        super().__init__(number, text)
        self.number, self.text = number, text


class Unsupported(Exception):
    """The client cannot do it; says why."""


def canonical(value):
    """A value as the one text that all clients give it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (bytes, bytearray)):
        return "0x" + value.hex().upper()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        day = f"{value.year:04}-{value.month:02}-{value.day:02}"
        return trimmed(f"{day} {value:%H:%M:%S}.{value.microsecond:06}")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return trimmed(f"{value:%H:%M:%S}.{value.microsecond:06}")
    if isinstance(value, datetime.timedelta):
        seconds, micros = divmod(value // datetime.timedelta(microseconds=1), 1_000_000)
        minutes, seconds = divmod(seconds, 60)
        return trimmed(f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{micros:06}")
    if isinstance(value, (int, float)):
        return repr(value)
    raise TypeError(f"{type(value)} is no type of MySQL")


def trimmed(text):
    """A time without the zeros that end its fraction."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def parameter(kind, text):
    """A parameter of queries.json as the type that Python has for it."""
    return {
        "int": int,
        "text": str,
        "decimal": decimal.Decimal,
        "double": float,
        "date": datetime.date.fromisoformat,
        "timestamp": datetime.datetime.fromisoformat,
        "null": lambda _: None,
    }[kind](text)


class Client:
    """One client. `connect` gives what `query` and the others take."""

    def __init__(self, host, port, database):
        self.host, self.port, self.database = host, port, database

    def connect(self, port=None, password="", database=None, tls=False, native=False, compress=False):
        raise NotImplementedError

    def query(self, connection, sql):
        raise NotImplementedError

    def several(self, connection, sql):
        """The results of several statements in one text."""
        raise Unsupported("one statement at a time")

    def prepared(self, connection, sql, executions):
        """The rows of all executions of one statement, prepared on the server."""
        raise Unsupported("prepares nothing on the server")

    def ping(self, connection):
        raise Unsupported("no ping")

    def after_error(self, connection, wrong, then):
        """The rows of a statement after one that failed."""
        try:
            self.query(connection, wrong)
        except ServerError:
            pass
        return self.query(connection, then)

    def fetched(self, connection, sql, rows):
        """The rows of a statement whose cursor is on the server, so many of them and then no more."""
        raise Unsupported("asks for no cursor")

    def use(self, connection, database):
        raise NotImplementedError

    def reset(self, connection):
        raise Unsupported("no reset")

    def close(self, connection):
        connection.close()


class Run:
    """All checks with one client."""

    def __init__(self, client, checks, locked_port, password):
        self.client, self.checks, self.locked_port, self.password = client, checks, locked_port, password
        self.connection = client.connect(database=client.database)

    def check(self, name, act):
        try:
            rows = [[canonical(value) for value in row] for row in act()]
            answer = {"rows": rows}
        except ServerError as error:
            answer = {"error": error.number, "text": error.text}
        except Unsupported as why:
            answer = {"skipped": str(why)}
        print(json.dumps({"check": name, **answer}, ensure_ascii=False), flush=True)

    def query(self, sql):
        sql = sql.replace("{slow}", self.checks["slow"]).replace("{database}", self.client.database)
        return self.client.query(self.connection, sql)

    def all(self):
        for check in self.checks["queries"]:
            self.one(check)
        for check in self.checks["prepared"]:
            values = [parameter(*p) for given in check["parameters"] for p in given.items()]
            self.check(check["name"], lambda: self.client.prepared(self.connection, check["sql"], [values]))
        for check in self.checks["errors"]:
            self.one(check)
            self.check("after " + check["name"], lambda: self.query("SELECT 1"))
        self.session()
        self.logins()

    def one(self, check):
        def act():
            if "set" in check:
                self.query(check["set"])
            try:
                return self.query(check["sql"])
            finally:
                if "then" in check:
                    self.query(check["then"])

        self.check(check["name"], act)

    def session(self):
        client, connection = self.client, self.connection
        twice, wrong = "SELECT id FROM types WHERE id = ?", "SELECT * FROM nothing WHERE id = ?"
        self.check("ping", lambda: client.ping(connection) or [])
        self.check("use", self.use)
        self.check("several statements", lambda: client.several(connection, "SELECT 1; SELECT 'two'; SELECT 3"))
        self.check("prepared twice", lambda: client.prepared(connection, twice, [[1], [4]]))
        self.check("prepare an error", lambda: client.prepared(connection, wrong, [[1]]))
        self.check("warnings", self.warnings)
        self.check("compressed", self.compressed)
        ids = "SELECT id FROM types ORDER BY id"
        self.check("cursor", lambda: client.fetched(connection, ids, 100))
        self.check("empty cursor", lambda: client.fetched(connection, "SELECT id FROM types WHERE id < 0", 100))
        self.check("cursor left in the middle", lambda: client.fetched(connection, ids, 3))
        self.check("kill query", self.kill)
        self.check("after kill query", lambda: self.query("SELECT 1"))
        self.check("query timeout", self.timeout)
        self.check("reset", self.reset)
        self.check("reconnect", self.reconnect)

    def use(self):
        connection = self.client.connect()
        self.client.use(connection, self.client.database)
        rows = self.client.query(connection, "SELECT database()")
        self.client.close(connection)
        return rows

    def warnings(self):
        """An error is counted until the next statement."""
        return self.client.after_error(self.connection, "SELECT * FROM nothing", "SHOW COUNT(*) WARNINGS")

    def compressed(self):
        connection = self.client.connect(database=self.client.database, compress=True)
        rows = self.client.query(connection, "SELECT * FROM types ORDER BY id")
        self.client.close(connection)
        return rows

    def kill(self):
        """Kills the slow query as soon as another connection sees it run."""
        # other clients may ask the same at this time
        slow = self.checks["slow"].replace("count(*)", f"count(*) AS of_{os.getpid()}")
        killer = threading.Thread(target=self.kill_when_seen, args=[slow])
        killer.start()
        try:
            return self.query(slow)
        finally:
            killer.join()

    def kill_when_seen(self, sql):
        connection = self.client.connect()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            rows = self.client.query(connection, "SHOW FULL PROCESSLIST")
            slow = [row[0] for row in rows if row[7] == sql]
            if slow:
                self.client.query(connection, f"KILL QUERY {slow[0]}")
                break
        self.client.close(connection)

    def timeout(self):
        raise Unsupported("no timeout that cancels")

    def reset(self):
        self.query("SET time_zone = '+03:00'")
        self.client.reset(self.connection)
        return self.query("SELECT @@time_zone")

    def reconnect(self):
        self.client.close(self.connection)
        self.connection = self.client.connect(database=self.client.database)
        return self.query("SELECT 1")

    def logins(self):
        for name, options in {
            "plain login": {},
            "TLS login": {"tls": True},
            "native password": {"native": True},
            "wrong password": {"password": "wrong"},
            "wrong password, TLS": {"password": "wrong", "tls": True},
            "no password": {"password": ""},
            "unknown database at login": {"database": "nowhere.nothing"},
        }.items():
            self.check(name, lambda: self.login(**options))

    def login(self, **options):
        connection = self.client.connect(port=self.locked_port, **{"password": self.password, **options})
        rows = self.client.query(connection, "SELECT 1")
        self.client.close(connection)
        return rows


def main(kind):
    """Runs a client with the arguments HOST PORT DATABASE LOCKED_PORT PASSWORD QUERIES."""
    host, port, database, locked_port, password, queries = sys.argv[1:]
    with open(queries, encoding="utf-8") as file:
        checks = json.load(file)
    Run(kind(host, int(port), database), checks, int(locked_port), password).all()

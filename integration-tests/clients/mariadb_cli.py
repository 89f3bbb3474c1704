"""The program `mariadb`: one process for each connection that a check needs."""

import os
import re
import subprocess
import xml.etree.ElementTree

import checks

FRACTION = re.compile(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+")
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class Connection:
    """The arguments of the program, and the statements that went before."""

    def __init__(self, arguments, password):
        self.arguments, self.password, self.settings = arguments, password, []


class Cli(checks.Client):
    def connect(self, port=None, password="", database=None, tls=False, native=False, compress=False):
        tls = ["--ssl", "--disable-ssl-verify-server-cert"] if tls else ["--skip-ssl"]
        arguments = ["mariadb", "--no-defaults", *tls, f"--host={self.host}", f"--port={port or self.port}"]
        arguments += ["--protocol=tcp", "--user=root", "--default-character-set=utf8mb4", "--binary-as-hex"]
        if compress:
            arguments += ["--compress"]
        if native:
            arguments += ["--default-auth=mysql_native_password"]
        connection = Connection(arguments + [f"--database={database}"] * bool(database), password)
        if "--ssl" in tls and "Cipher in use" not in self.run(connection, [], "\\s"):
            raise AssertionError("no TLS")
        return connection

    def run(self, connection, options, sql):
        environment = {**os.environ, "MYSQL_PWD": connection.password}
        # the semicolon of the statement itself may be followed by nothing
        done = subprocess.run(
            [*connection.arguments, *options, "-e", sql], env=environment, capture_output=True, text=True
        )
        if done.returncode == 0:
            return done.stdout
        number = re.search(r"ERROR (\d+)", done.stderr)
        if number is None:
            raise AssertionError(done.stderr)
        raise checks.ServerError(int(number[1]), done.stderr)

    def query(self, connection, sql):
        if sql.startswith("SET "):
            connection.settings = [sql]
        return self.several(connection, "; ".join([*connection.settings, sql]))

    def several(self, connection, sql):
        # XML tells NULL from a text
        text = self.run(connection, ["--xml"], sql)
        results = re.findall(r"<resultset.*?</resultset>", text, re.DOTALL)
        return [
            [None if field.get(NIL) == "true" else shown(field.text or "") for field in row]
            for result in results
            for row in xml.etree.ElementTree.fromstring(result)
        ]

    def after_error(self, connection, wrong, then):
        raise checks.Unsupported("ends with an error")

    def ping(self, connection):
        ping = [connection.arguments[0].replace("mariadb", "mariadb-admin"), *connection.arguments[1:6], "ping"]
        done = subprocess.run(ping, capture_output=True, text=True)
        if "is alive" not in done.stdout:
            raise AssertionError(done.stderr)

    def use(self, connection, database):
        connection.arguments = connection.arguments + [f"--database={database}"]

    def close(self, connection):
        pass


def shown(text):
    """A value as all clients give it: hexadecimal digits and times in one form."""
    if FRACTION.fullmatch(text):
        return checks.trimmed(text)
    return text


checks.main(Cli)

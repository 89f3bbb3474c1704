"""The clients' own test suites against a server that reads: each of their tests must be in the state that suites/SUITE.txt tells.

HOST PORT DATABASE, and more that is not looked at; with `--write` in the end the files are written anew. $SUITES is where set-up put
them, $SUITE names those that are run. States:

    pass      it asks the server, and holds
    skip      it skips itself
    anything else is why it fails, by the first line of REASONS that its output fits

Tests that hold without a server are not in the files: they prove nothing here.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).parent
HOME = pathlib.Path(os.environ["SUITES"])
# longer than any of them takes
SECONDS_MAX = 500
REASONS = [tuple(line.split(" ", 1)) for line in (HERE / "suites/reasons.txt").read_text().splitlines() if line]


def run(command, folder, environment):
    """What a command prints; its exit code is that of its tests."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, timeout=SECONDS_MAX, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )
    return done.stdout


def go(host, port, database):
    """go-sql-driver: the tests of its module, compiled at set-up."""
    environment = {"MYSQL_TEST_ADDR": f"{host}:{port}", "MYSQL_TEST_DBNAME": database}
    # the one that is left out wants a host of the world that does not answer; one after another, so that what a test prints is its own
    command = ["./suite.test", "-test.v", "-test.timeout=400s", "-test.parallel=1", "-test.skip=^TestConnectorReturnsTimeout$"]
    told = run(command, HOME / "go-sql-driver", environment)
    verdicts, texts, name = {}, {}, None
    for line in told.splitlines():
        # what follows belongs to the test that was named last
        if speaks := re.match(r"=== (?:RUN|CONT|NAME) +(\w+)", line):
            name = speaks[1]
        elif verdict := re.search(r"--- (PASS|FAIL|SKIP): (\w+) ", line):
            verdicts[verdict[2]] = verdict[1]
        else:
            texts[name] = f"{texts.get(name, '')}{line}\n"
    return {name: (verdict, texts.get(name, "")) for name, verdict in verdicts.items()}


def rust(folder):
    """A crate: its unit tests, compiled at set-up; they want a database of their own in a URL."""

    def suite(host, port, database):
        environment = {"DATABASE_URL": f"mysql://root:@{host}:{port}/{database}", "RUST_BACKTRACE": "0"}
        told = run(["./suite", "--test-threads=2"], HOME / folder, environment)
        texts = dict(re.findall(r"^---- (\S+) stdout ----\n(.*?)(?=^---- |^failures:|\Z)", told, re.M | re.S))
        states = {}
        for name, verdict in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", told, re.M):
            states[name] = ({"ok": "PASS", "FAILED": "FAIL"}.get(verdict, "SKIP"), texts.get(name, ""))
        return states

    return suite


def pytest(folder, paths, environment, options=()):
    """Tests that pytest runs, with what they want to know of the server in the environment or a file."""

    def suite(host, port, database):
        results = HOME / folder / "results.xml"
        results.unlink(missing_ok=True)
        names = {"host": host, "port": port, "database": database, "home": HOME}
        given = {key: value.format(**names) for key, value in environment.items()}
        words = [word.format(**names) for word in options]
        for template in (HERE / "suites" / folder).glob("*"):
            (HOME / folder / template.name).write_text(template.read_text().format(**names))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths, *words]
        told = run([*command, f"--junit-xml={results}", "--timeout=20"], HOME / folder, given)
        if not results.exists():
            raise AssertionError(told)
        states = {}
        for case in xml.etree.ElementTree.parse(results).iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}".replace(" ", "_")
            worst = next((each for each in case if each.tag in ("failure", "error", "skipped")), None)
            verdict = "PASS" if worst is None else "SKIP" if worst.tag == "skipped" else "FAIL"
            states[name] = (verdict, "" if worst is None else f"{worst.get('message')}\n{worst.text}")
        return states

    return suite


SUITES = {
    "go-sql-driver": go,
    "mysql_async": rust("mysql_async"),
    "mysqlclient": pytest("mysqlclient", ["tests"], {"TESTDB": "{home}/mysqlclient/millrace.cnf"}),
    "pyodbc": pytest(
        "pyodbc", ["tests/mysql_test.py"],
        {"PYODBC_MYSQL": "DRIVER={{MariaDB Unicode}};SERVER={host};PORT={port};UID=root;DATABASE={database}"},
    ),
}


def state(verdict, text):
    if verdict != "FAIL":
        return verdict.lower()
    return next((name for name, pattern in REASONS if re.search(pattern, text)), "unknown")


def main():
    host, port, database = sys.argv[1:4]
    for name in os.environ.get("SUITE", ",".join(SUITES)).split(","):
        suite = SUITES[name]
        file = HERE / f"suites/{name}.txt"
        found = {test: state(*told) for test, told in suite(host, port, database).items()}
        told = dict(line.split(" ", 1)[::-1] for line in file.read_text().splitlines()) if file.exists() else {}
        if sys.argv[-1] == "--write":
            # nobody listens there
            alone = {test for test, (verdict, _) in suite(host, "9", database).items() if verdict == "PASS"}
            lines = (f"{state} {test}\n" for test, state in sorted(found.items()) if test not in alone)
            file.write_text("".join(lines))
            continue
        # what is not told of asks no server, and so holds in any case
        found = {test: state for test, state in found.items() if test in told or state != "pass"}
        other = [[test, told.get(test, "nothing"), found.get(test, "nothing")]
                 for test in sorted({*told, *found}) if told.get(test) != found.get(test)]
        print(json.dumps({"check": name, "rows": other}), flush=True)


main()

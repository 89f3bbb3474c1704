"""dbt with dbt-starrocks: `dbt debug`, models as views, tests, documentation. Arguments: host, port, database."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import checks

host, port, database = sys.argv[1:4]
home = pathlib.Path(tempfile.mkdtemp(prefix="millrace-dbt-"))
project = home / "project"
shutil.copytree(pathlib.Path(__file__).parent / "dbt", project)
program = pathlib.Path(sys.executable).with_name("dbt")
environment = {
    **os.environ,
    "MILLRACE_HOST": host,
    "MILLRACE_PORT": port,
    "MILLRACE_DATABASE": database,
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DBT_PROFILES_DIR": str(project),
    "DBT_USE_COLORS": "false",
}


def dbt(*arguments, fails=False):
    """What a command of dbt prints."""
    command = [str(program), *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=240)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def results():
    """What became of each node of the last command."""
    told = json.loads((project / "target/run_results.json").read_text())
    return sorted([result["unique_id"].split(".")[2], result["status"]] for result in told["results"])


def rows(sql):
    return checks.plain(host, port, database, sql)


def debug():
    lines = [re.sub(r"^\d\d:\d\d:\d\d *", "", line) for line in dbt("debug").splitlines()]
    return [[line] for line in lines if "Connection test" in line or "checks passed" in line]


def run(*arguments):
    dbt("run", *arguments)
    return results()


def catalog():
    dbt("docs", "generate")
    told = json.loads((project / "target/catalog.json").read_text())
    columns = told["nodes"]["model.millrace.orders_by_city"]["columns"].values()
    return [[column["name"], column["type"]] for column in columns]


def shown():
    told = dbt("show", "--select", "orders_by_city", "--output", "json", "--quiet")
    of_city = json.loads(told[told.index("{") :])["show"]
    return sorted([[row["city"], row["orders"], row["amount"]] for row in of_city], key=lambda row: str(row[0]))


def refused():
    told = dbt("run", "--select", "as_table", "--vars", "as_table: true", fails=True)
    return [[line.strip()] for line in told.splitlines() if "is not supported" in line][:1]


BY_CITY = "SELECT city, orders, amount FROM orders_by_city ORDER BY city"
KINDS = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = '{}' ORDER BY 1"

try:
    checks.check("debug", debug)
    checks.check("models as views", run)
    checks.check("rows of a view of a view", lambda: rows(BY_CITY))
    checks.check("they are views", lambda: rows(KINDS.format(database)))
    checks.check("run again", run)
    checks.check("data tests", lambda: dbt("test") and results())
    checks.check("documentation", catalog)
    checks.check("show", shown)
    checks.check("other texts of the models", lambda: run("--vars", "since: '2025-01-01'"))
    checks.check("their rows", lambda: rows(BY_CITY))
    checks.check("full refresh", lambda: run("--full-refresh"))
    checks.check("rows after it", lambda: rows(BY_CITY))
    checks.check("nothing is left over", lambda: rows(KINDS.format(database)))
    checks.check("a table is refused by name", refused)
finally:
    shutil.rmtree(home)

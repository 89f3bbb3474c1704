"""sqllogictest's engine for MySQL: the checks of queries.json as its records, which it holds against the answers itself.

What it tells is whether a record holds; the rows of one that does are those of the check.
"""

import json
import os
import subprocess
import sys
import tempfile

host, port, database, _, _, queries = sys.argv[1:]
program = os.path.join(os.environ["SQLLOGICTEST"], "bin/sqllogictest")


def reason_to_skip(check):
    """Why a check is no record, if it is none."""
    cells = [cell for row in check.get("rows", []) for cell in row]
    if check.get("rows") == "types" or any(isinstance(cell, dict) for cell in cells):
        return "its bytes and numbers are no texts of one form"
    if any(cell and ("\n" in cell or "  " in cell) for cell in cells):
        return "its records are lines"
    if "set" in check:
        return "every statement has a session of its own"
    return None


def shown(cell):
    return "NULL" if cell is None else cell or "(empty)"


def record(check):
    sql = check["sql"].replace("{database}", database)
    if "error" in check:
        # the connection goes back to where the next record takes it from
        return f"statement error \\({check['error']}\\)\n{sql}\n\nquery T\nSELECT 1\n----\n1\n"
    if not check["rows"]:
        return f"statement count 0\n{sql}\n"
    rows = "\n".join(" ".join(map(shown, row)) for row in check["rows"])
    return f"query {'T' * len(check['rows'][0])}\n{sql}\n----\n{rows}\n"


def answer(check):
    why = reason_to_skip(check)
    if why:
        return {"skipped": why}
    with tempfile.NamedTemporaryFile("w", suffix=".slt", encoding="utf-8") as file:
        file.write(record(check))
        file.flush()
        command = [program, "--engine=mysql", f"--host={host}", f"--port={port}", "--user=root", "--pass="]
        command += [f"--db={database}", file.name]
        environment = {**os.environ, "RUST_BACKTRACE": "0"}
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    if done.returncode != 0:
        return {"broken": done.stdout + done.stderr}
    return {"error": check["error"]} if "error" in check else {"rows": check["rows"]}


with open(queries, encoding="utf-8") as file:
    checks = json.load(file)


def say(name, answer):
    print(json.dumps({"check": name, **answer}, ensure_ascii=False), flush=True)


for check in checks["queries"]:
    say(check["name"], answer(check))
for check in checks["errors"]:
    told = answer(check)
    say(check["name"], told)
    say("after " + check["name"], {"rows": [["1"]]} if "error" in told else told)
for check in checks["prepared"] + checks["session"]:
    say(check["name"], {"skipped": "its records are statements"})

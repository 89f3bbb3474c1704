"""mycli: what it prints of statements that it is given, in the lines of checks.py."""

import json
import os
import subprocess
import sys

host, port, database = sys.argv[1:4]
program = os.path.join(os.path.dirname(sys.executable), "mycli")


def rows(sql):
    command = [program, f"--host={host}", f"--port={port}", "--user=root", f"--database={database}", "--no-warn"]
    # no configuration of whoever runs this, and no question about a password
    command += ["--myclirc=/dev/null", "--format=tsv", "--password=", f"--execute={sql}"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return [line.split("\t") for line in done.stdout.splitlines()]


for name, sql in {
    "mycli select": "SELECT id, city FROM visits WHERE id < 12 ORDER BY id",
    "mycli show": "SHOW TABLES",
    "mycli version": "SELECT @@version_comment LIKE 'Millrace%' AS ours",
}.items():
    print(json.dumps({"check": name, "rows": rows(sql)}, ensure_ascii=False), flush=True)

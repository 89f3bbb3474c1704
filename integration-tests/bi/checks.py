"""One line of JSON for each check, in the form that tests/it/bi.rs reads: the rows that it gave, or the error that ended it."""

import datetime
import decimal
import json
import traceback

import pymysql


def canonical(value):
    """A value as one text, whoever gave it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(value)


def check(name, act):
    """Runs a check; one that fails leaves the others to run."""
    try:
        answer = {"rows": [[canonical(value) for value in row] for row in act()]}
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps({"check": name, **answer}, ensure_ascii=False), flush=True)


def plain(host, port, database, sql):
    """The rows of a statement as a client sees them that is no part of the tool."""
    connection = pymysql.connect(host=host, port=int(port), user="root", database=f"fluss.{database}")
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [list(row) for row in cursor.fetchall()]
    finally:
        connection.close()

"""The catalog functions of ODBC by pyodbc over MariaDB Connector/ODBC, in the lines of checks.py."""

import json
import sys

import pyodbc

import checks

host, port, database = sys.argv[1:4]
options = {"DRIVER": "{MariaDB Unicode}", "SERVER": host, "PORT": port, "UID": "root", "DATABASE": database}
connection = pyodbc.connect(";".join(f"{key}={value}" for key, value in options.items()), autocommit=True)
schema = connection.getinfo(pyodbc.SQL_DATABASE_NAME)


def rows(call, *columns, **arguments):
    """Some columns of what a catalog function gives."""
    cursor = connection.cursor()
    found = getattr(cursor, call)(**arguments).fetchall()
    places = [[name[0].lower() for name in cursor.description].index(column) for column in columns]
    return [[None if row[at] is None else str(row[at]) for at in places] for row in found]


def types_of_columns():
    cursor = connection.cursor().execute("SELECT id AS x, name, price, day, at FROM types WHERE id < 0")
    return [[name, kind.__name__, str(size), str(scale), nullable] for name, kind, _, size, _, scale, nullable in
            cursor.description]


for name, ask in {
    "driver: database": lambda: [[schema]],
    "driver: product": lambda: [[connection.getinfo(pyodbc.SQL_DBMS_NAME), connection.getinfo(pyodbc.SQL_USER_NAME)]],
    "driver: tables": lambda: rows("tables", "table_cat", "table_name", "table_type", catalog=schema),
    "driver: tables by pattern": lambda: rows("tables", "table_name", "table_type", catalog=schema, table="vis%"),
    "driver: views": lambda: rows("tables", "table_name", catalog=schema, tableType="VIEW"),
    "driver: catalogs": lambda: [row for row in rows("tables", "table_cat", catalog="%", table="", schema="")
                                 if row[0] in ("clients", "information_schema")],
    "driver: columns": lambda: rows("columns", "column_name", "data_type", "type_name", "column_size", "decimal_digits",
                            "is_nullable", "ordinal_position", catalog=schema, table="types"),
    "driver: primary keys": lambda: rows("primaryKeys", "table_cat", "table_name", "column_name", "key_seq", "pk_name",
                                 table="types", catalog=schema),
    "driver: no primary keys": lambda: rows("primaryKeys", "column_name", table="visits", catalog=schema),
    "driver: statistics": lambda: rows("statistics", "table_name", "non_unique", "index_name", "ordinal_position",
                               "column_name", table="types", catalog=schema),
    "driver: row identifier": lambda: rows("rowIdColumns", "column_name", "type_name", table="types", catalog=schema),
    "driver: foreign keys": lambda: rows("foreignKeys", "fkcolumn_name", table="types", catalog=schema),
    "driver: procedures": lambda: rows("procedures", "procedure_name", catalog=schema),
    # a UNION without an order
    "driver: type info": lambda: sorted(row for row in rows("getTypeInfo", "type_name", "data_type", "column_size")
                                        if row[0] in ("BIGINT", "DECIMAL", "DATETIME", "VARCHAR")),
    "driver: result columns": types_of_columns,
}.items():
    try:
        answer = {"rows": [[checks.canonical(value) for value in row] for row in ask()]}
    except pyodbc.Error as error:
        answer = {"broken": str(error)}
    print(json.dumps({"check": name, **answer}, ensure_ascii=False), flush=True)

"""SQLAlchemy with the `starrocks` dialect: what its inspector tells of the tables, in the lines of checks.py."""

import json
import sys

import sqlalchemy

import checks

host, port, database = sys.argv[1:4]
engine = sqlalchemy.create_engine(f"starrocks://root@{host}:{port}/{database}")


def inspect():
    return sqlalchemy.inspect(engine)


def columns(table):
    return [[column["name"], str(column["type"]), column["nullable"]] for column in inspect().get_columns(table)]


def reflected():
    """A query built from a reflected table."""
    visits = sqlalchemy.Table("visits", sqlalchemy.MetaData(), autoload_with=engine)
    count = sqlalchemy.func.count()
    query = sqlalchemy.select(visits.c.city, count).group_by(visits.c.city).order_by(count.desc(), visits.c.city)
    with engine.connect() as connection:
        return connection.execute(query.limit(1)).fetchall()


def has_table(name):
    return [[inspect().has_table(name)]]


for name, rows in {
    "dialect": lambda: [[inspect().dialect.name, inspect().dialect.run_mode]],
    "tables of the dialect": lambda: [[name] for name in inspect().get_table_names()],
    "views of the dialect": lambda: [[name] for name in inspect().get_view_names()],
    "schema of the dialect": lambda: [[name] for name in inspect().get_schema_names() if name == "clients"],
    "columns of the dialect": lambda: columns("visits"),
    "primary key of the dialect": lambda: [inspect().get_pk_constraint("types")["constrained_columns"]],
    "a table for the dialect": lambda: has_table("visits"),
    "no table for the dialect": lambda: has_table("nothing"),
    "indexes for the dialect": lambda: [[index["name"]] for index in inspect().get_indexes("types")],
    "foreign keys for the dialect": lambda: [[key["name"]] for key in inspect().get_foreign_keys("visits")],
    "unique constraints for the dialect": lambda: [[c["name"]] for c in inspect().get_unique_constraints("types")],
    "check constraints for the dialect": lambda: [[c["name"]] for c in inspect().get_check_constraints("types")],
    "comment for the dialect": lambda: [[inspect().get_table_comment("visits")["text"]]],
    "all columns of the dialect": lambda: [
        [table, column["name"]] for (_, table), of in sorted(inspect().get_multi_columns().items()) for column in of
    ],
    "reflected query": reflected,
}.items():
    shown = [[checks.canonical(value) for value in row] for row in rows()]
    print(json.dumps({"check": name, "rows": shown}, ensure_ascii=False), flush=True)

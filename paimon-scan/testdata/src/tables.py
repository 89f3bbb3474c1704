"""Tables that pypaimon writes, for the conformance matrix. One argument: the folder that gets `warehouse/`.

Names: ENGINE[_evolved]_LAYOUT_FORMAT. Its writer never compacts: every file of a primary-key table is of level 0.
"""

import datetime
import decimal
import random
import sys

import pyarrow as pa
from pypaimon import CatalogFactory, Schema
from pypaimon.schema.data_types import AtomicType
from pypaimon.schema.schema_change import SchemaChange

DATABASE = "lake"
FORMATS = ["parquet", "orc", "avro"]
COLUMNS = [
    ("id", pa.int64()),
    ("a", pa.int32()),
    ("b", pa.float64()),
    ("s", pa.string()),
    ("at", pa.timestamp("us")),
    ("l", pa.list_(pa.int32())),
    ("n", pa.struct([("x", pa.int32()), ("y", pa.string())])),
    ("gone", pa.int32()),
    ("v", pa.int32()),
]
ENGINES = {
    "dedup": {},
    "dedup_seq": {"sequence.field": "v"},
    "first_row": {"merge-engine": "first-row"},
    "partial": {"merge-engine": "partial-update"},
    "agg": {
        "merge-engine": "aggregation",
        "fields.a.aggregate-function": "sum",
        "fields.b.aggregate-function": "max",
        "fields.default-aggregate-function": "last_non_null_value",
    },
}


class Warehouse:
    def __init__(self, folder):
        self.catalog = CatalogFactory.create({"warehouse": f"{folder}/warehouse"})
        self.catalog.create_database(DATABASE, True)

    def create(self, name, columns, options, primary=None, partition=None):
        fields = [pa.field(c, t, nullable=c not in (primary or [])) for c, t in columns]
        schema = Schema.from_pyarrow_schema(
            pa.schema(fields), partition_keys=partition, primary_keys=primary, options=options
        )
        self.catalog.create_table(f"{DATABASE}.{name}", schema, False)

    def write(self, name, rows):
        table = self.catalog.get_table(f"{DATABASE}.{name}")
        builder = table.new_batch_write_builder()
        write, commit = builder.new_write(), builder.new_commit()
        from pypaimon.schema.data_types import PyarrowFieldParser

        schema = PyarrowFieldParser.from_paimon_schema(table.table_schema.fields)
        write.write_arrow(pa.Table.from_pylist(rows, schema=schema))
        commit.commit(write.prepare_commit())
        write.close()
        commit.close()

    def alter(self, name, *changes):
        self.catalog.alter_table(f"{DATABASE}.{name}", list(changes))


def row(id, version, evolved=False):
    """One version of a row; some columns are null in some of them. `v`, the sequence field, does not grow with time."""
    n = id * 100 + version
    made = {
        "id": id,
        "b": None if n % 7 == 0 else float("nan") if n % 11 == 0 else n * 0.5,
        "s": None if n % 3 == 0 else f"s{version}",
        "at": None if n % 4 == 0 else datetime.datetime(2023, 11, 14, 22, 13, 20, n % 1000),
        "l": None if version % 3 == 0 else [n, n + 1],
        "n": None if n % 6 == 0 else {"x": n, "y": f"y{n}"},
        "v": (id * 7 + version * 5) % 11,
    }
    if not evolved:
        return made | {"a": None if n % 5 == 0 else n, "gone": n}
    return made | {
        "a2": None if n % 5 == 0 else 3_000_000_000 + n,
        "gone": f"again{n}",
        "added": None if n % 2 == 0 else n,
    }


def evolve(house, name):
    if name.startswith("agg_"):
        # renaming a column leaves the options that name it as they are
        house.alter(name, SchemaChange.remove_option("fields.a.aggregate-function"))
    house.alter(name, SchemaChange.rename_column("a", "a2"), SchemaChange.drop_column("gone"))
    house.alter(
        name,
        SchemaChange.update_column_type("a2", AtomicType("BIGINT")),
        SchemaChange.add_column("gone", AtomicType("STRING")),
        SchemaChange.add_column("added", AtomicType("INT")),
    )
    if name.startswith("agg_"):
        house.alter(name, SchemaChange.set_option("fields.a2.aggregate-function", "sum"))


def append(house, format, evolved):
    name = f"append{'_evolved' if evolved else ''}_{format}"
    house.create(name, COLUMNS, {"bucket": "-1", "file.format": format})
    house.write(name, [row(id, 1) for id in range(10)])
    if evolved:
        evolve(house, name)
    house.write(name, [row(id, 2, evolved) for id in (3, 10, 11, 12)])


def keyed(house, engine, options, format, evolved, bucket):
    layout = {"1": "one", "3": "three", "-1": "dynamic"}[bucket]
    name = f"{engine}{'_evolved' if evolved else ''}_{layout}_{format}"
    house.create(
        name, COLUMNS, {"bucket": bucket, "file.format": format} | options, primary=["id"]
    )
    house.write(name, [row(id, 1) for id in range(10)])
    house.write(name, [row(id, 2) for id in (0, 3, 6)])
    if evolved:
        evolve(house, name)
    house.write(name, [row(id, 3, evolved) for id in (2, 5, 10)])
    # one commit with several versions of a key
    house.write(name, [row(id, version, evolved) for version in (4, 5) for id in (0, 1, 11, -5)])


def deletes(house, format):
    name = f"dedup_deletes_{format}"
    columns = [("id", pa.int64()), ("v", pa.int32()), ("kind", pa.string())]
    options = {"bucket": "2", "rowkind.field": "kind", "file.format": format}
    house.create(name, columns, options, primary=["id"])
    house.write(name, [{"id": id, "v": id, "kind": "+I"} for id in range(8)])
    house.write(name, [{"id": id, "v": 0, "kind": "-D"} for id in (1, 4, 99)])
    house.write(name, [{"id": 4, "v": 40, "kind": "+U"}, {"id": 5, "v": 0, "kind": "-D"}])


def partitioned(house, key, type, values):
    columns = [("id", pa.int64()), ("v", pa.int32()), (key, type)]
    rows = [{"id": i, "v": i, key: values[i % len(values)]} for i in range(20)]
    house.create(f"append_by_{key}", columns, {"bucket": "-1"}, partition=[key])
    house.write(f"append_by_{key}", rows)
    house.write(f"append_by_{key}", [r | {"v": r["v"] + 100} for r in rows[:7]])
    keyed_rows = [r for r in rows if r[key] is not None]
    house.create(f"dedup_by_{key}", columns, {"bucket": "2"}, primary=["id", key], partition=[key])
    house.write(f"dedup_by_{key}", keyed_rows)
    house.write(f"dedup_by_{key}", [r | {"v": r["v"] + 100} for r in keyed_rows[:7]])


def all_types(house, format):
    columns = [
        ("id", pa.int32()),
        ("i64", pa.int64()),
        ("bool", pa.bool_()),
        ("i8", pa.int8()),
        ("i16", pa.int16()),
        ("f32", pa.float32()),
        ("f64", pa.float64()),
        ("small", pa.decimal128(8, 3)),
        ("large", pa.decimal128(36, 10)),
        ("text", pa.string()),
        ("bytes", pa.binary()),
        ("day", pa.date32()),
        ("milli", pa.timestamp("ms")),
        ("micro", pa.timestamp("us")),
        ("zoned", pa.timestamp("us", tz="UTC")),
        ("map", pa.map_(pa.string(), pa.int32())),
        ("lists", pa.list_(pa.list_(pa.string()))),
    ]
    if format == "avro":
        # its writer knows neither maps nor nulls in lists there
        columns = [(name, type) for name, type in columns if name not in ("map", "lists")]
    name = f"all_types_{format}"
    house.create(name, columns, {"bucket": "-1", "file.format": format})
    # Java's reader of ORC fails on parts of a second before 1970
    at = datetime.datetime(2001 if format == "orc" else 1969, 12, 31, 23, 59, 59, 999_000)
    full = {
        "bool": True,
        "i8": -128,
        "i16": 32767,
        "i64": -(2**63),
        "f32": -0.0,
        "f64": float("inf"),
        "small": decimal.Decimal("-12345.678"),
        "large": decimal.Decimal("12345678901234567890123456.0123456789"),
        "text": "Zürich \U0001f600",
        "bytes": b"\x00\xff",
        "day": datetime.date(1, 1, 1),
        "milli": at,
        "micro": at.replace(microsecond=999_999),
        "zoned": at.replace(tzinfo=datetime.timezone.utc),
        "map": [("k", 1), ("z", None)],
        "lists": [["a", None], None, []],
    }
    full = {name: value for name, value in full.items() if name in dict(columns)}
    house.write(name, [full | {"id": 1}, {c: None for c, _ in columns} | {"id": 2}])
    house.write(name, [full | {"id": 3, "f64": float("nan"), "text": ""}])


def wide_files(house):
    """Files with several row groups and pages, in the order of nothing."""
    random.seed(5)
    columns = [("id", pa.int64()), ("v", pa.int32()), ("s", pa.string())]
    for name, options, primary in [
        ("append_large", {"bucket": "-1"}, None),
        ("dedup_large", {"bucket": "1"}, ["id"]),
    ]:
        house.create(name, columns, options, primary=primary)
        for version in range(3):
            ids = random.sample(range(4000), 1500)
            house.write(name, [{"id": i, "v": i * 10 + version, "s": f"s{i % 97}"} for i in ids])


def tracked(house):
    """Rows with identities; with data evolution, files that hold some of the columns."""
    house.create("append_row_tracking", COLUMNS, {"bucket": "-1", "row-tracking.enabled": "true"})
    house.write("append_row_tracking", [row(id, 1) for id in range(5)])
    house.write("append_row_tracking", [row(id, 2) for id in range(3)])
    name = "append_data_evolution"
    options = {"bucket": "-1", "row-tracking.enabled": "true", "data-evolution.enabled": "true"}
    house.create(name, COLUMNS, options)
    house.write(name, [row(id, 1) for id in range(5)])
    table = house.catalog.get_table(f"{DATABASE}.{name}")
    builder = table.new_batch_write_builder()
    update = builder.new_update().with_update_type(["v"])
    commit = builder.new_commit()
    schema = pa.schema([("_ROW_ID", pa.int64()), ("v", pa.int32())])
    commit.commit(
        update.update_by_arrow_with_row_id(
            pa.table({"_ROW_ID": [1, 3], "v": [100, 300]}, schema=schema)
        )
    )


def main(folder):
    house = Warehouse(folder)
    for format in FORMATS:
        all_types(house, format)
        deletes(house, format)
        for evolved in [False, True]:
            append(house, format, evolved)
    for engine, options in ENGINES.items():
        for format in FORMATS:
            keyed(house, engine, options, format, False, "1")
        keyed(house, engine, options, "parquet", False, "3")
        keyed(house, engine, options, "parquet", True, "1")
    keyed(house, "dedup", {}, "parquet", False, "-1")
    partitioned(house, "region", pa.string(), ["plain", "with space", "a/b:c%25=d?e#f", "Zürich", None])
    partitioned(house, "day", pa.date32(), [datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)])
    partitioned(house, "number", pa.int32(), [0, -7, 2147483647])
    wide_files(house)
    tracked(house)


main(sys.argv[1])

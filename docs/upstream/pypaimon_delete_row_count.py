"""Shows what pypaimon-delete-row-count.md says: a file of deletes whose entry in the manifest counts none."""

import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet
from pypaimon import CatalogFactory, Schema

DELETE = 3  # _VALUE_KIND of -D
COLUMNS = pa.schema(
    [pa.field("id", pa.int64(), nullable=False), ("v", pa.int32()), ("kind", pa.string())]
)


def write(table, rows):
    builder = table.new_batch_write_builder()
    write, commit = builder.new_write(), builder.new_commit()
    write.write_arrow(pa.Table.from_pylist(rows, schema=COLUMNS))
    commit.commit(write.prepare_commit())
    write.close()
    commit.close()


def main(folder):
    catalog = CatalogFactory.create({"warehouse": folder})
    catalog.create_database("lake", True)
    options = {"bucket": "1", "rowkind.field": "kind", "file.format": "parquet"}
    schema = Schema.from_pyarrow_schema(COLUMNS, primary_keys=["id"], options=options)
    catalog.create_table("lake.t", schema, False)
    table = catalog.get_table("lake.t")
    write(table, [{"id": id, "v": id, "kind": "+I"} for id in range(8)])
    write(table, [{"id": id, "v": 0, "kind": "-D"} for id in (1, 4)])
    wrong = 0
    for split in table.new_read_builder().new_scan().plan().splits():
        for file in split.files:
            path = file.file_path.removeprefix("file://")
            kinds = pyarrow.parquet.read_table(path)["_VALUE_KIND"].to_pylist()
            deletes = kinds.count(DELETE)
            counted = file.delete_row_count
            print(f"{file.file_name}: {len(kinds)} rows, {deletes} deletes, counted: {counted}")
            wrong += deletes != counted
    return 0 if wrong else "every delete is counted"


with tempfile.TemporaryDirectory() as folder:
    sys.exit(main(folder))

"""Apache Superset: databases, schemas, tables, SQL Lab, datasets, and a chart as a browser draws it. Arguments: host, port, database.

MILLRACE_BI_SCREENSHOT is the file that the chart is kept in.
"""

import io
import json
import os
import pathlib
import sys

import checks
import superset

host, port, database = sys.argv[1:4]
VIEW = "paid_orders"
METRIC = {
    "expressionType": "SIMPLE",
    "column": {"column_name": "amount"},
    "aggregate": "SUM",
    "label": "amount",
}
GRAINS = ["PT1M", "PT1H", "P1D", "P1W", "P1M", "P3M", "P1Y"]
ids = {}


def plain(sql):
    return checks.plain(host, port, database, sql)


def connection(dialect, name):
    uri = f"{dialect}://root@{host}:{port}/{name}"
    body = {"database_name": dialect, "sqlalchemy_uri": uri, "extra": "{}", "impersonate_user": False}
    told = bi.call("POST", "database/test_connection/", body)["message"]
    body["extra"] = json.dumps({"allow_multi_catalog": dialect == "starrocks"})
    ids[dialect] = bi.call("POST", "database/", body)["id"]
    return [[told, bi.call("GET", f"database/{ids[dialect]}")["result"]["backend"]]]


def catalogs():
    return [[name] for name in sorted(bi.call("GET", f"database/{ids['starrocks']}/catalogs/")["result"])]


def schemas(dialect, catalog):
    asked = f"database/{ids[dialect]}/schemas/?q=(force:!t{catalog})"
    return [[name] for name in sorted(bi.call("GET", asked)["result"]) if name.endswith(database)]


def tables(dialect, catalog, schema=database):
    asked = f"database/{ids[dialect]}/tables/?q=(force:!t,schema_name:'{schema}'{catalog})"
    told = bi.call("GET", asked)["result"]
    return sorted([table["value"], table["type"]] for table in told)


def columns_of(dialect, catalog):
    asked = f"database/{ids[dialect]}/table_metadata/?name=orders&schema={database}{catalog}"
    told = bi.call("GET", asked)
    return [[column["name"], column["type"]] for column in told["columns"]]


def sql_lab(dialect, catalog, schema=database):
    body = {
        "database_id": ids[dialect],
        "schema": schema,
        "sql": "SELECT id, city, amount, placed_at FROM orders ORDER BY id",
        "queryLimit": 100,
        **catalog,
    }
    told = bi.call("POST", "sqllab/execute/", body)
    return [[row[column["column_name"]] for column in told["columns"]] for row in told["data"]]


def dataset(table):
    body = {"database": ids["starrocks"], "catalog": "fluss", "schema": database, "table_name": table}
    ids[table] = bi.call("POST", "dataset/", body)["id"]
    told = bi.call("GET", f"dataset/{ids[table]}")["result"]["columns"]
    return sorted([column["column_name"], column["type"], column["is_dttm"]] for column in told)


def data(table, columns, **of_query):
    query = {
        "columns": columns,
        "metrics": [METRIC],
        "filters": [],
        "orderby": [],
        "row_limit": 100,
        **of_query,
    }
    body = {
        "datasource": {"id": ids[table], "type": "table"},
        "queries": [query],
        "result_format": "json",
        "result_type": "full",
        "force": True,
    }
    told = bi.call("POST", "chart/data", body)["result"][0]
    if told["error"]:
        raise AssertionError(told["error"])
    return [list(row.values()) for row in told["data"]]


def by_city(table):
    """The data of the chart, which must be what a plain client reads."""
    rows = [[city, str(amount)] for city, amount in data(table, ["city"])]
    read = plain(f"SELECT city, sum(amount) FROM {table} GROUP BY city")
    # Superset makes numbers of decimals
    read = [[city, str(float(amount))] for city, amount in read]
    ordered = lambda rows: sorted(rows, key=lambda row: str(row[0]))
    if ordered(rows) != ordered(read):
        raise AssertionError(f"the chart has {rows}, a plain client reads {read}")
    return ordered(rows)


def grains():
    """A series at each grain of time: into how many points it falls."""
    axis = {"columnType": "BASE_AXIS", "sqlExpression": "placed_at", "label": "placed_at", "expressionType": "SQL"}
    points = []
    for grain in GRAINS:
        extras = {"time_grain_sqla": grain}
        rows = data("orders", [{**axis, "timeGrain": grain}], granularity="placed_at", extras=extras)
        points.append([grain, len(rows), sum(row[1] for row in rows)])
    return points


def filtered():
    wanted = {"col": "city", "op": "IN", "val": ["Oslo", "Köln"]}
    time = {"col": "placed_at", "op": "TEMPORAL_RANGE", "val": "2024-01-01 : 2024-06-01"}
    return [[city, str(amount)] for city, amount in data("orders", ["city"], filters=[wanted, time])]


def chart():
    form = {
        "datasource": f"{ids['orders']}__table",
        "viz_type": "echarts_timeseries_bar",
        "x_axis": "city",
        "x_axis_sort_asc": True,
        "metrics": [METRIC],
        "groupby": [],
        "adhoc_filters": [],
        "row_limit": 100,
        "show_legend": False,
        "color_scheme": "supersetColors",
        "extra_form_data": {},
    }
    body = {
        "slice_name": "Amounts by city",
        "viz_type": form["viz_type"],
        "datasource_id": ids["orders"],
        "datasource_type": "table",
        "params": json.dumps(form),
    }
    ids["chart"] = bi.call("POST", "chart/", body)["id"]
    return [[bi.call("GET", f"chart/{ids['chart']}")["result"]["slice_name"]]]


def bars(picture):
    """The bars in a picture of the chart, from the left: their heights in percent of the highest."""
    width, height = picture.size
    pixels = picture.load()
    heights = [sum(is_bar(pixels[x, y]) for y in range(height)) for x in range(width)]
    of_bars, inside = [], []
    for column in [*heights, 0]:
        if column:
            inside.append(column)
        elif inside:
            of_bars.append(sorted(inside)[len(inside) // 2])
            inside = []
    return [[round(100 * bar / max(of_bars))] for bar in of_bars]


def is_bar(pixel):
    """The first colour of `supersetColors`, #1FA8C9."""
    return all(abs(a - b) <= 6 for a, b in zip(pixel[:3], (0x1F, 0xA8, 0xC9)))


def drawn():
    """A browser draws the chart: the bars in the picture are measured once two pictures of it are the same."""
    from PIL import Image
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    with bi.browser() as browser:
        browser.get(f"{bi.url}/explore/?slice_id={ids['chart']}&standalone=1")
        wait = WebDriverWait(browser, superset.ANSWERS, poll_frequency=0.5)
        last = [b""]

        def at_rest(browser):
            last.append(browser.get_screenshot_as_png())
            return last.pop(0) == last[0] and bars(Image.open(io.BytesIO(last[0])).convert("RGB"))

        try:
            wait.until(at_rest)
        except TimeoutException as error:
            shown = browser.find_element("tag name", "body").text
            raise AssertionError(f"no chart in {browser.current_url}:\n{shown}") from error
        picture = Image.open(io.BytesIO(last[0])).convert("RGB")
        if path := os.environ.get("MILLRACE_BI_SCREENSHOT"):
            picture.quantize(64).save(path, optimize=True)
    return bars(picture)


plain(f"CREATE VIEW {VIEW} AS SELECT * FROM orders WHERE amount >= 10")
IN_FLUSS, OF_FLUSS = ",catalog_name:fluss", "&catalog=fluss"
bi = superset.Superset(pathlib.Path(sys.executable).parents[2] / "superset.db")
try:
    checks.check("a database", lambda: connection("starrocks", f"fluss.{database}"))
    checks.check("catalogs", catalogs)
    checks.check("schemas", lambda: schemas("starrocks", ",catalog:fluss"))
    checks.check("tables and views", lambda: tables("starrocks", IN_FLUSS))
    checks.check("columns", lambda: columns_of("starrocks", OF_FLUSS))
    checks.check("SQL Lab", lambda: sql_lab("starrocks", {"catalog": "fluss"}))
    checks.check("a dataset", lambda: dataset("orders"))
    checks.check("a dataset of a view", lambda: dataset(VIEW))
    checks.check("a chart", chart)
    checks.check("its data", lambda: by_city("orders"))
    checks.check("data of a view", lambda: by_city(VIEW))
    checks.check("grains of time", grains)
    checks.check("filters", filtered)
    checks.check("the chart is drawn", drawn)
    checks.check("a database by mysql+pymysql", lambda: connection("mysql+pymysql", ""))
    checks.check("its schemas", lambda: schemas("mysql+pymysql", ""))
    checks.check("its tables", lambda: tables("mysql+pymysql", "", f"fluss.{database}"))
    checks.check("its SQL Lab", lambda: sql_lab("mysql+pymysql", {}, f"fluss.{database}"))
finally:
    bi.stop()

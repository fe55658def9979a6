"""Runs the SQL of a lake on DuckDB, in the place of Athena: what was generated, as sqlglot writes it for DuckDB.

lake.py STATE apply GENERATED     all that is applied once; again after it was generated anew
lake.py STATE alter SQL           what --diff says of tables of Iceberg
lake.py STATE deliver FILE...     objects of Firehose, as they came; to Iceberg line by line into its log
lake.py STATE merge FROM          both statements of each table of Iceberg; lines of commits from FROM on
lake.py STATE query SQL           rows out, as JSON lists of texts

STATE is a folder with a database, and the objects as Firehose laid them under `objects`. What Athena has and DuckDB
lacks is here: tables over files in S3, and Firehose's way of appending to Iceberg, where a value must have its column's
type.
"""

import base64
import datetime
import decimal
import gzip
import json
import pathlib
import sys

import duckdb
import sqlglot
from sqlglot import exp

state, action, *arguments = sys.argv[1:]
state = pathlib.Path(state)
objects = state / "objects"
database = duckdb.connect(str(state / "lake.duckdb"))
database.execute("SET TimeZone = 'UTC'")
# What DuckDB calls otherwise.
database.execute("CREATE OR REPLACE MACRO from_unixtime_nanos(n) AS make_timestamp_ns(n)")


def translated(text):
    """The one statement of a file."""
    (tree,) = [tree for tree in sqlglot.parse(text, read="trino") if tree]
    return tree.sql(dialect="duckdb")


def log_of_files(path):
    """The external table: its files as Athena finds them, by the hour in their path."""
    text = path.read_text()
    template = next(line for line in text.splitlines() if "storage.location.template" in line)
    prefix = template.split("s3://", 1)[1].split("/", 1)[1].split("${hour}/")[0]
    name = text.split("IF NOT EXISTS ", 1)[1].split(" (", 1)[0].replace("`", '"')
    files = objects / prefix / "*" / "*" / "*" / "*" / "*"
    return f"""CREATE OR REPLACE VIEW {name} AS
        SELECT line, regexp_extract(filename, '(\\d{{4}}/\\d\\d/\\d\\d/\\d\\d)/[^/]*$', 1) AS hour
        FROM read_csv('{files}', columns = {{'line': 'VARCHAR'}}, delim = '\\x01', quote = '', escape = '',
            header = false, auto_detect = false, compression = 'gzip', filename = true, max_line_size = 67108864,
            nullstr = '\\N', strict_mode = false)"""


def table_of_iceberg(path):
    """The same columns; where its files are is DuckDB's own."""
    (tree,) = [tree for tree in sqlglot.parse(path.read_text(), read="athena") if tree]
    tree.set("properties", None)
    return tree.sql(dialect="duckdb")


def apply(generated):
    generated = pathlib.Path(generated)
    (state / "generated").write_text(str(generated.resolve()))
    for path in sorted([*generated.glob("0*/*.sql"), *generated.glob("0*.sql")]):
        folder = path.relative_to(generated).parts[0]
        if folder == "01-databases":
            sql = path.read_text().replace("DATABASE", "SCHEMA").replace("`", '"')
        elif folder == "02-log.sql":
            sql = log_of_files(path)
        elif folder in ("02-logs", "03-rows"):
            sql = table_of_iceberg(path)
        else:
            sql = translated(path.read_text())
        run(sql, path)


def alter(text):
    """DuckDB alters one thing at a time, and calls some of it otherwise."""
    for tree in sqlglot.parse(text, read="athena"):
        if not isinstance(tree, exp.Alter):
            continue
        start = f"ALTER TABLE {tree.this.sql(dialect='duckdb')}"
        for action in tree.args["actions"]:
            if isinstance(action, exp.Schema):
                for column in action.expressions:
                    run(f"{start} ADD COLUMN {column.sql(dialect='duckdb')}", text)
                continue
            name, to = action.this, action.args["rename_to"]
            if name != to:
                run(f"{start} RENAME COLUMN {name.sql(dialect='duckdb')} TO {to.sql(dialect='duckdb')}", text)
            kind = action.args["dtype"].sql(dialect="duckdb")
            run(f"{start} ALTER COLUMN {to.sql(dialect='duckdb')} SET DATA TYPE {kind}", text)


def run(sql, path):
    try:
        database.execute(sql)
    except duckdb.Error as error:
        sys.exit(f"{path}: {error}\n{sql}")


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def is_of(kind, value):
    """Whether Firehose takes a value for a column of that type."""
    if value is None:
        return True
    if kind in ("INTEGER", "BIGINT") or kind.startswith("DECIMAL"):
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in ("FLOAT", "DOUBLE"):
        return isinstance(value, (int, decimal.Decimal))
    if kind == "BOOLEAN":
        return isinstance(value, bool)
    if kind == "VARCHAR":
        return isinstance(value, str)
    return isinstance(value, list if kind.endswith("]") else dict)


def deliver(files):
    """To Iceberg: each line to the log that its name says, whole columns only."""
    generated = pathlib.Path((state / "generated").read_text())
    manifest = json.loads((generated / "manifest.json").read_text())
    logs = {(table["database"], table["table"]): table for table in manifest["tables"]}
    rows = {}
    for file in files:
        for line in gzip.open(file, "rt"):
            value = json.loads(line, parse_float=decimal.Decimal)
            table = logs.get((value["_database"], value["_table"]))
            if table is not None:
                rows.setdefault((table["schema"], table["log"]), []).append((value, line))
    for (schema, log), lines in rows.items():
        name = f'"{schema}"."{log}"'
        kinds = {row[0]: row[1] for row in database.execute(f"DESCRIBE {name}").fetchall()}
        part = state / "part.json"
        with part.open("w") as out:
            for value, line in lines:
                wrong = [key for key in value if key in kinds and not is_of(kinds[key], value[key])]
                if wrong:
                    sys.exit(f"Firehose would not append to {name}: {wrong} in {line}")
                out.write(line)
        quoted = [f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items()]
        database.execute(
            f"INSERT INTO {name} BY NAME SELECT * FROM read_json('{part}', format = 'newline_delimited', "
            f"columns = {{{', '.join(quoted)}}}, maximum_object_size = 67108864)"
        )


def merge(start):
    generated = pathlib.Path((state / "generated").read_text())
    for path in sorted(generated.glob("merge/*/*.sql")):
        text = path.read_text().replace(">= 0 -- from here on", f">= {int(start)}")
        run(translated(text), path)


def shown(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    return None if value is None else str(value)


match action:
    case "apply":
        apply(*arguments)
    case "alter":
        alter(*arguments)
    case "deliver":
        deliver(arguments)
    case "merge":
        merge(*arguments)
    case "query":
        rows = database.execute(*arguments).fetchall()
        print(json.dumps([[shown(value) for value in row] for row in rows]))

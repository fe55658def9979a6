"""Reads the SQL that was generated for Redshift as two parsers that are not ours read it.

    sqlcheck.py FOLDER        prints each finding; ends with 1 when there is one

The body of a procedure is one string to a parser, so it is taken apart: what is PL/pgSQL's own is held against a few
patterns, each statement of SQL in it is parsed like those outside. Then it looks for what PostgreSQL takes and
Redshift refuses, by its documentation:
docs.aws.amazon.com/redshift/latest/dg/ r_pg_keywords, r_names, r_DELETE, limitations-super, r_VARBYTE_type.
"""

import logging
import pathlib
import re
import sys

import sqlglot
from sqlfluff.core import FluffConfig, Linter
from sqlfluff.dialects.dialect_redshift_keywords import redshift_reserved_keywords
from sqlglot.errors import ErrorLevel, SqlglotError

IDENTIFIER_BYTES_MAX = 127
# sqlglot has no rule for it; sqlfluff reads it.
OF_ONE_PARSER = "CREATE EXTERNAL SCHEMA"
PROCEDURE = re.compile(
    r"CREATE OR REPLACE PROCEDURE (?P<name>(?:\"(?:[^\"]|\"\")+\"|\w+)(?:\.(?:\"(?:[^\"]|\"\")+\"|\w+))?)\(\) AS \$\$\n"
    r"(?P<body>.*?)\n?\$\$ LANGUAGE plpgsql(?: SET (?P<setting>\w+) TO \w+)?;",
    re.DOTALL,
)
# Strings, identifiers in quotes, comments, words, numbers, all else one by one.
TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|[A-Za-z_]\w*|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
# PL/pgSQL's own.
OWN = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"END IF",
        r"END",
        r"RETURN",
        r"COMMIT",
        r"GET DIAGNOSTICS \w+ := ROW_COUNT",
        # What neither parser knows, or takes as a word and an unread rest.
        r"LOCK TABLE \S+\.\w+",
        r"CALL \"?[^;]+\(\)",
    )
]
DECLARED = re.compile(r"\w+ (?:BIGINT|INTEGER|VARCHAR\(\d+\))", re.IGNORECASE)
IF_THEN = re.compile(r"IF (?P<condition>.+?) THEN\s+", re.DOTALL)
BEGIN = re.compile(r"BEGIN\s+")
INTO = re.compile(r"\bINTO\s+(?P<names>\w+(?:, \w+)*)\s+FROM\b")
FORBIDDEN = [
    re.compile(pattern)
    for pattern in (
        r"\bON CONFLICT\b",
        r"\bMERGE INTO\b",
        r"\bDISTINCT ON\b",
        r"\bRETURNING\b",
        r"\bLATERAL\b",
        r"\bFILTER \(",
        r"\bCREATE (?:UNIQUE )?INDEX\b",
        r"\bDELETE FROM \S+ (?:AS )?(?!USING\b|WHERE\b)\w+",
        r"\bFOR UPDATE\b",
        r"\bJSONB?\b",
        r"\bBYTEA\b",
        r"\bTEXT\b",
        r"->",
    )
]
# Words behind which a bare name may stand that is given here.
ALIAS = re.compile(r"\bAS ([a-z_]\w*)|\b(?:FROM|JOIN) [\w.\"]+ ([a-z_]\w*)")
# No reserved words by Redshift's page, but sqlfluff's list has more.
RESERVED = {word.strip().upper() for word in redshift_reserved_keywords.split("\n") if word.strip()} | {
    "BACKUP", "BZIP2", "DEFLATE", "ENCODE", "EXPLICIT", "GZIP", "INTERVAL", "LZOP", "OFFLINE", "PRIMARY", "START",
    "CONNECT", "WALLET",
}


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, place, what, text=""):
        self.count += 1
        print(f"{place}: {what}", text.strip()[:600], sep="\n    " if text else "")


def statements(text):
    """Parts between semicolons, without comments."""
    part, parts = [], []
    for token in TOKEN.findall(text):
        if token == ";":
            parts.append("".join(part).strip())
            part = []
        elif not token.startswith("--"):
            part.append(token)
    rest = "".join(part).strip()
    return [part for part in parts if part], rest


def bare(text):
    """Without strings, with `"x"` for each identifier in quotes, on one line."""
    shown = []
    for token in TOKEN.findall(text):
        if token.startswith("--"):
            continue
        shown.append("''" if token[0] == "'" else '"x"' if token[0] == '"' and len(token) > 1 else token)
    return re.sub(r"\s+", " ", "".join(shown))


def body_sql(place, body, findings):
    """The statements of SQL in the body of a procedure."""
    variables, found = [], []
    body, is_declaring = body.strip(), False
    if body.startswith("DECLARE"):
        body, is_declaring = body.removeprefix("DECLARE"), True
    parts, rest = statements(body)
    if rest:
        findings.add(place, "no semicolon behind the end", rest)
    for part in parts:
        if BEGIN.match(part):
            part, is_declaring = BEGIN.sub("", part, count=1), False
        if is_declaring:
            if not DECLARED.fullmatch(part):
                findings.add(place, "no declaration", part)
            variables.append(part.split()[0])
            continue
        while (opened := IF_THEN.match(part)) is not None:
            found.append(f"SELECT 1 WHERE {opened['condition']}")
            part = part[opened.end() :]
        if any(own.fullmatch(part) for own in OWN):
            continue
        into = INTO.search(part)
        if part.startswith("SELECT") and into:
            unknown = [name for name in into["names"].split(", ") if name not in variables]
            if unknown:
                findings.add(place, f"{unknown} are no variables", part)
            part = INTO.sub("FROM", part, count=1)
        found.append(part)
    return variables, found


def columns_of(create):
    """Of a CREATE TABLE, by name in quotes: the type."""
    return dict(re.findall(r"^\s+(\"(?:[^\"]|\"\")+\"|\w+) ([A-Z ]+(?:\([\d, ]+\))?)", create, re.MULTILINE))


def check_forbidden(place, statement, findings):
    shown = bare(statement)
    for pattern in FORBIDDEN:
        if found := pattern.search(shown):
            findings.add(place, f"Redshift has no {found[0]}", statement)
    for names in ALIAS.findall(shown):
        for name in filter(None, names):
            if name.upper() in RESERVED:
                findings.add(place, f"{name} is reserved", statement)
    for token in TOKEN.findall(statement):
        if token[0] == '"' and len(token) > 1:
            size = len(token[1:-1].replace('""', '"').encode())
            if size > IDENTIFIER_BYTES_MAX:
                findings.add(place, f"a name of {size} bytes: {token}")
    attributes = re.search(r"\) ?(?:DISTSTYLE EVEN|DISTKEY \((.+?)\) SORTKEY \((.+)\))$", statement)
    if statement.startswith("CREATE TABLE") and attributes and attributes[1]:
        columns = columns_of(statement)
        keys = re.findall(r"\"(?:[^\"]|\"\")+\"", f"{attributes[1]} {attributes[2]}")
        for key in keys:
            if columns.get(key, "nothing").split("(")[0].strip() in ("SUPER", "VARBYTE", "nothing"):
                findings.add(place, f"{key} is {columns.get(key)} and in DISTKEY or SORTKEY")


def check_variables(place, variables, sql, findings):
    """Before PostgreSQL 9.0, and so in Redshift, a variable stands for each bare word and name that is spelled so."""
    names = set(variables)
    for statement in sql:
        before = ""
        for token in TOKEN.findall(statement):
            name = token[1:-1] if token[0] == '"' else token
            # Behind a point it is a column of that table.
            if token[0] == '"' and name in names and before != ".":
                findings.add(place, f"the name {token} is a variable's too", statement)
            before = token


def parse(place, sql, linter, findings):
    for statement in sql:
        if statement.lstrip().startswith(OF_ONE_PARSER):
            continue
        try:
            for tree in sqlglot.parse(statement, dialect="redshift", error_level=ErrorLevel.RAISE):
                if tree is None or isinstance(tree, sqlglot.exp.Command):
                    findings.add(place, "sqlglot does not read it", statement)
        except SqlglotError as error:
            findings.add(place, f"sqlglot: {error}", statement)
    if linter is None or not sql:
        return
    parsed = linter.parse_string(";\n".join(sql) + ";\n")
    for error in parsed.violations:
        findings.add(place, f"sqlfluff: {error.desc()} at line {error.line_no}")
    tree = parsed.root_variant().tree if parsed.root_variant() else None
    if tree is None:
        findings.add(place, "sqlfluff gives no tree")
        return
    for unparsable in tree.recursive_crawl("unparsable"):
        findings.add(place, "sqlfluff: unparsable", unparsable.raw)


def main():
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    folder = pathlib.Path(sys.argv[1])
    linter = Linter(config=FluffConfig(overrides={"dialect": "redshift", "large_file_skip_byte_limit": 0}))
    findings, files, count = Findings(), sorted(folder.rglob("*.sql")), 0
    if not files:
        findings.add(folder, "has no SQL")
    for file in files:
        place, text = file.relative_to(folder), file.read_text()
        procedures = list(PROCEDURE.finditer(text))
        if len(procedures) != text.count("$$") // 2:
            findings.add(place, "a procedure that is written otherwise")
        for procedure in procedures:
            name = f"{place}, {procedure['name']}"
            variables, sql = body_sql(name, procedure["body"], findings)
            for statement in sql:
                check_forbidden(name, statement, findings)
            check_variables(name, variables, sql, findings)
            parse(name, sql, linter, findings)
            count += len(sql)
            # A COMMIT is refused in a procedure with a SET of its own.
            if procedure["setting"] and re.search(r"^\s*COMMIT;", procedure["body"], re.MULTILINE):
                findings.add(name, "COMMIT in a procedure with SET")
        outside = PROCEDURE.sub("", text)
        sql, rest = statements(outside)
        if rest:
            findings.add(place, "no semicolon behind the end", rest)
        for statement in sql:
            check_forbidden(place, statement, findings)
        parse(place, sql, linter, findings)
        # The shell of a procedure, with nothing in it.
        shells = PROCEDURE.sub(lambda found: found[0].replace(found["body"], "BEGIN\nEND;"), text)
        headers = [found[0] for found in PROCEDURE.finditer(shells)]
        for header in headers:
            parsed = linter.parse_string(header)
            tree = parsed.root_variant().tree
            for unparsable in tree.recursive_crawl("unparsable"):
                findings.add(place, "sqlfluff: unparsable", unparsable.raw)
        count += len(sql)
    print(f"{len(files)} files, {count} statements, {findings.count} findings")
    return 1 if findings.count else 0


if __name__ == "__main__":
    sys.exit(main())

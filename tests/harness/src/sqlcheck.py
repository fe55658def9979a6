"""Parses generated SQL by two parsers, neither of them ours.

sqlcheck.py DIALECT FOLDER     each file of the folder is one statement
"""

import pathlib
import sys

import sqlfluff
import sqlglot
from sqlglot import exp

dialect, folder = sys.argv[1:]
wrong = []
files = sorted(pathlib.Path(folder).rglob("*.sql"))
for path in files:
    text = path.read_text()
    try:
        trees = [tree for tree in sqlglot.parse(text, read=dialect, error_level=sqlglot.ErrorLevel.RAISE) if tree]
        if len(trees) != 1:
            wrong.append(f"{path}: {len(trees)} statements")
        # What sqlglot does not know it keeps as text.
        wrong += [f"{path}: sqlglot: not parsed: {tree.sql()[:200]}" for tree in trees if isinstance(tree, exp.Command)]
    except sqlglot.errors.ParseError as error:
        wrong.append(f"{path}: sqlglot: {error}")
    try:
        sqlfluff.parse(text, dialect=dialect)
    except sqlfluff.api.APIParsingError as error:
        wrong.append(f"{path}: sqlfluff: {error}")
if not files:
    wrong.append(f"{folder}: no SQL there")
sys.exit("\n".join(wrong) or None)

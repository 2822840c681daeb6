"""Exports that differ in their text: separators, quotes, lines, headers, columns and the order of rows."""

from __future__ import annotations

import csv

import numpy as np

from tests.fuzz.exports.export import Export, as_csv
from tests.fuzz.exports.kinds import REFUSED, SAME, Kinds, Mutation, any_table, priced_rows

KINDS = Kinds()


def _separated(separator: str) -> Mutation:
    def mutation(export: Export, rng: np.random.Generator) -> Export:
        name = any_table(rng)
        return export.with_file(name, as_csv(export.rows[name], separator))

    return mutation


for _name, _separator in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|")):
    KINDS[_name] = (_separated(_separator), SAME)


@KINDS.gives(SAME)
def everything_quoted(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    return export.with_file(name, as_csv(export.rows[name], quoting=csv.QUOTE_ALL))


@KINDS.gives(SAME)
def carriage_returns(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    return export.with_file(name, as_csv(export.rows[name], end=("\r\n", "\r")[int(rng.integers(2))]))


@KINDS.gives(SAME)
def a_byte_order_mark(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    return export.with_file(name, b"\xef\xbb\xbf" + as_csv(export.rows[name]))


@KINDS.gives(SAME)
def blank_lines(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    width = len(export.rows[name].columns)
    return export.with_file(name, as_csv(export.rows[name]) + b"\n \n" + b"," * (width - 1) + b"\n,\n")


@KINDS.gives(SAME)
def a_line_that_names_the_separator(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    return export.with_file(name, b"sep=;\r\n" + as_csv(export.rows[name], ";", "\r\n"))


@KINDS.gives(SAME)
def decimal_commas_between_semicolons(export: Export, _: np.random.Generator) -> Export:
    return export.with_file("scores", as_csv(export.rows["scores"], ";").replace(b".", b","))


@KINDS.gives(REFUSED)
def decimal_commas_between_commas(export: Export, rng: np.random.Generator) -> Export:
    lines = as_csv(export.rows["scores"]).splitlines()
    row = 1 + priced_rows(export)[int(rng.integers(len(priced_rows(export))))]
    lines[row] = lines[row].replace(b".", b",")
    return export.with_file("scores", b"\n".join(lines))


@KINDS.gives(REFUSED)
def a_thousands_separator(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["demands"].copy()
    rows.loc[0, "demand"] = "1,200"
    quoting = csv.QUOTE_NONE if rng.random() < 0.5 else csv.QUOTE_MINIMAL
    text = rows.to_csv(index=False, quoting=quoting, escapechar="\\")
    return export.with_file("demands", text.replace("\\", "").encode())


@KINDS.gives(REFUSED)
def a_row_cut_short(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    lines = as_csv(export.rows[name]).splitlines()
    row = int(rng.integers(1, len(lines)))
    lines[row] = lines[row].rsplit(b",", 1)[0]
    return export.with_file(name, b"\n".join(lines))


@KINDS.gives(REFUSED)
def a_cell_too_many(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    lines = as_csv(export.rows[name]).splitlines()
    lines[int(rng.integers(1, len(lines)))] += b",x"
    return export.with_file(name, b"\n".join(lines))


@KINDS.gives(REFUSED)
def a_quote_that_is_never_closed(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    lines = as_csv(export.rows[name]).splitlines()
    row = int(rng.integers(1, len(lines)))
    cells = lines[row].split(b",")
    place = int(rng.integers(len(cells)))
    cells[place] = b'"' + cells[place]
    lines[row] = b",".join(cells)
    return export.with_file(name, b"\n".join(lines))


@KINDS.gives(SAME)
def names_of_columns_in_capitals_and_blanks(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    rows = export.rows[name]
    change = (str.upper, str.title, "{} ".format, "\u00a0{}".format)[int(rng.integers(4))]
    return export.with_rows(name, rows.rename(columns={column: change(column) for column in rows.columns}))


@KINDS.gives(SAME)
def columns_in_another_order(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    rows = export.rows[name]
    return export.with_rows(name, rows[list(rng.permutation(list(rows.columns)))])


@KINDS.gives(SAME)
def a_column_more(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    return export.with_rows(name, export.rows[name].assign(**{("note", "p", "")[int(rng.integers(3))]: "x;y|z"}))


@KINDS.gives(REFUSED)
def a_column_twice_but_for_case(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    column = str(export.rows[name].columns[0])
    return export.with_rows(name, export.rows[name].assign(**{column.upper(): "7"}))


@KINDS.gives(REFUSED)
def no_header(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    return export.with_file(name, as_csv(export.rows[name]).split(b"\n", 1)[1])


@KINDS.gives(SAME)
def the_header_once_more(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    lines = as_csv(export.rows[name]).splitlines()
    lines.insert(int(rng.integers(1, len(lines) + 1)), lines[0])
    return export.with_file(name, b"\n".join(lines))


@KINDS.gives(SAME)
def rows_in_another_order(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    return export.with_rows(name, export.rows[name].sample(frac=1, random_state=int(rng.integers(1000))))

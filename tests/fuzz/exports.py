"""Files as people really export them: a clean campaign of text files, changed as spreadsheets and databases change it.

Each kind says what must come of it: the result of the clean files, or a refusal. What is left to chance is drawn by a
seed.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

Table = Literal["scores", "funds", "demands"]
TABLES: tuple[Table, ...] = ("scores", "funds", "demands")
SAME, REFUSED = "same", "refused"
_FUNDS = ("a", "bond", "Höhe", "基金")


@dataclass(frozen=True)
class Export:
    """A campaign's files. rows: by table, text, null as ""; files: bytes by path, of tables that are no plain CSV."""

    rows: dict[Table, pd.DataFrame]
    files: dict[str, bytes] = field(default_factory=dict)
    places: dict[Table, str] = field(default_factory=dict)

    def write(self, root: Path) -> dict[Table, str]:
        """Writes the files and returns the argument of each table."""
        for name in TABLES:
            if name not in self.places:
                (root / f"{name}.csv").write_bytes(as_csv(self.rows[name]))
        for inner, content in self.files.items():
            (root / inner).parent.mkdir(parents=True, exist_ok=True)
            (root / inner).write_bytes(content)
        return {name: str(root / self.places.get(name, f"{name}.csv")) for name in TABLES}

    def with_file(self, name: Table, content: bytes, inner: str = "") -> Export:
        """The table as one file of these bytes."""
        inner = inner or f"{name}.csv"
        return replace(self, files={**self.files, inner: content}, places={**self.places, name: inner})

    def with_folder(self, name: Table, contents: dict[str, bytes]) -> Export:
        """The table as a folder of files."""
        files = {f"{name}/{inner}": content for inner, content in contents.items()}
        return replace(self, files={**self.files, **files}, places={**self.places, name: name})

    def with_rows(self, name: Table, rows: pd.DataFrame) -> Export:
        """Other rows for a table."""
        return replace(self, rows={**self.rows, name: rows})


def clean(rng: np.random.Generator) -> Export:
    """A campaign that can be met, with one pair in ten null, of some dozen users."""
    users = int(rng.integers(8, 16))
    pairs = [(f"{user}", f"{rng.integers(1, 6)}") for user in rng.choice(500, users, replace=False) + 10]
    scores = pd.DataFrame(
        [
            (
                user,
                tolerance,
                fund,
                "" if fund != "a" and rng.random() < 0.1 else f"{rng.integers(100, 900_000) / 100:.2f}",
            )
            for user, tolerance in pairs
            for fund in _FUNDS
        ],
        columns=["user_id", "risk_tolerance", "fund_id", "expected_revenue"],
    )
    funds = pd.DataFrame({"fund_id": _FUNDS, "risk_level": ["1", "2", "3", "5"]})
    demands = pd.DataFrame({"campaign_id": "Frühling", "fund_id": _FUNDS, "demand": [str(users), "2", "1", "1"]})
    return Export({"scores": scores, "funds": funds, "demands": demands})


def as_csv(rows: pd.DataFrame, separator: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    """The rows as a CSV with a header."""
    text = rows.to_csv(index=False, sep=separator, lineterminator=end, quoting=quoting)  # type: ignore[call-overload]
    return str(text).encode()


Mutation = Callable[[Export, np.random.Generator], Export]
KINDS: dict[str, tuple[Mutation, str]] = {}


def _kind(outcome: str) -> Callable[[Mutation], Mutation]:
    def add(mutation: Mutation) -> Mutation:
        KINDS[mutation.__name__] = (mutation, outcome)
        return mutation

    return add


def _any(rng: np.random.Generator) -> Table:
    return TABLES[int(rng.integers(len(TABLES)))]


def _row(rows: pd.DataFrame, rng: np.random.Generator) -> int:
    return int(rng.integers(len(rows)))


def _set(export: Export, name: Table, row: int, column: str, value: str) -> Export:
    rows = export.rows[name].copy()
    rows.loc[row, column] = value
    return export.with_rows(name, rows)


def _priced(export: Export) -> list[int]:
    rows = export.rows["scores"]
    return [int(row) for row in rows.index[rows["expected_revenue"] != ""]]


def _separated(separator: str) -> Mutation:
    def mutation(export: Export, rng: np.random.Generator) -> Export:
        name = _any(rng)
        return export.with_file(name, as_csv(export.rows[name], separator))

    return mutation


for _name, _separator in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|")):
    KINDS[_name] = (_separated(_separator), SAME)


@_kind(SAME)
def everything_quoted(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    return export.with_file(name, as_csv(export.rows[name], quoting=csv.QUOTE_ALL))


@_kind(SAME)
def carriage_returns(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    return export.with_file(name, as_csv(export.rows[name], end=("\r\n", "\r")[int(rng.integers(2))]))


@_kind(SAME)
def a_byte_order_mark(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    return export.with_file(name, b"\xef\xbb\xbf" + as_csv(export.rows[name]))


@_kind(SAME)
def blank_lines(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    width = len(export.rows[name].columns)
    return export.with_file(name, as_csv(export.rows[name]) + b"\n \n" + b"," * (width - 1) + b"\n,\n")


@_kind(SAME)
def a_line_that_names_the_separator(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    return export.with_file(name, b"sep=;\r\n" + as_csv(export.rows[name], ";", "\r\n"))


@_kind(SAME)
def decimal_commas_between_semicolons(export: Export, _: np.random.Generator) -> Export:
    return export.with_file("scores", as_csv(export.rows["scores"], ";").replace(b".", b","))


@_kind(REFUSED)
def decimal_commas_between_commas(export: Export, rng: np.random.Generator) -> Export:
    lines = as_csv(export.rows["scores"]).splitlines()
    row = 1 + _priced(export)[int(rng.integers(len(_priced(export))))]
    lines[row] = lines[row].replace(b".", b",")
    return export.with_file("scores", b"\n".join(lines))


@_kind(REFUSED)
def a_thousands_separator(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["demands"].copy()
    rows.loc[0, "demand"] = "1,200"
    quoting = csv.QUOTE_NONE if rng.random() < 0.5 else csv.QUOTE_MINIMAL
    text = rows.to_csv(index=False, quoting=quoting, escapechar="\\")
    return export.with_file("demands", text.replace("\\", "").encode())


@_kind(REFUSED)
def a_row_cut_short(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    lines = as_csv(export.rows[name]).splitlines()
    row = int(rng.integers(1, len(lines)))
    lines[row] = lines[row].rsplit(b",", 1)[0]
    return export.with_file(name, b"\n".join(lines))


@_kind(REFUSED)
def a_cell_too_many(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    lines = as_csv(export.rows[name]).splitlines()
    lines[int(rng.integers(1, len(lines)))] += b",x"
    return export.with_file(name, b"\n".join(lines))


@_kind(REFUSED)
def a_quote_that_is_never_closed(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    lines = as_csv(export.rows[name]).splitlines()
    row = int(rng.integers(1, len(lines)))
    cells = lines[row].split(b",")
    place = int(rng.integers(len(cells)))
    cells[place] = b'"' + cells[place]
    lines[row] = b",".join(cells)
    return export.with_file(name, b"\n".join(lines))


@_kind(SAME)
def names_of_columns_in_capitals_and_blanks(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    rows = export.rows[name]
    change = (str.upper, str.title, "{} ".format, "\u00a0{}".format)[int(rng.integers(4))]
    return export.with_rows(name, rows.rename(columns={column: change(column) for column in rows.columns}))


@_kind(SAME)
def columns_in_another_order(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    rows = export.rows[name]
    return export.with_rows(name, rows[list(rng.permutation(list(rows.columns)))])


@_kind(SAME)
def a_column_more(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    return export.with_rows(name, export.rows[name].assign(**{("note", "p", "")[int(rng.integers(3))]: "x;y|z"}))


@_kind(REFUSED)
def a_column_twice_but_for_case(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    column = str(export.rows[name].columns[0])
    return export.with_rows(name, export.rows[name].assign(**{column.upper(): "7"}))


@_kind(REFUSED)
def no_header(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    return export.with_file(name, as_csv(export.rows[name]).split(b"\n", 1)[1])


@_kind(SAME)
def the_header_once_more(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    lines = as_csv(export.rows[name]).splitlines()
    lines.insert(int(rng.integers(1, len(lines) + 1)), lines[0])
    return export.with_file(name, b"\n".join(lines))


@_kind(SAME)
def rows_in_another_order(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    return export.with_rows(name, export.rows[name].sample(frac=1, random_state=int(rng.integers(1000))))


@_kind(SAME)
def a_folder_of_files_with_other_columns_first(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"].assign(p_conversion="0.5")
    cut = int(rng.integers(1, len(rows)))
    parts = {"emea.csv": as_csv(rows[:cut]), "apac.csv": as_csv(rows[cut:][list(rows.columns[::-1])], ";")}
    return export.with_folder("scores", {**parts, "_SUCCESS": b"", ".emea.csv.crc": b"crc\x00"})


@_kind(REFUSED)
def a_folder_in_the_folder(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    cut = int(rng.integers(1, len(rows)))
    return export.with_folder("scores", {"p.csv": as_csv(rows[:cut]), "late/p.csv": as_csv(rows[cut:])})


@_kind(REFUSED)
def a_file_of_the_folder_without_a_column(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    cut = int(rng.integers(1, len(rows)))
    parts = {"1.csv": as_csv(rows[:cut]), "2.csv": as_csv(rows[cut:].drop(columns="expected_revenue"))}
    return export.with_folder("scores", parts)


@_kind(SAME)
def folders_by_fund(export: Export, rng: np.random.Generator) -> Export:
    parts = {}
    for fund, rows in export.rows["scores"].groupby("fund_id"):
        others = rows.drop(columns="fund_id")
        if rng.random() < 0.5:
            parts[f"fund_id={fund}/p.csv"] = as_csv(others)
        else:
            parts[f"fund_id={fund}/p.csv.gz"] = gzip.compress(as_csv(others))
    return export.with_folder("scores", parts)


@_kind(SAME)
def packed(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    pack, ending = ((gzip.compress, ".gz"), (bz2.compress, ".bz2"), (gzip.compress, ""))[int(rng.integers(3))]
    return export.with_file(name, pack(as_csv(export.rows[name])), f"{name}.csv{ending}")


@_kind(REFUSED)
def another_encoding(export: Export, rng: np.random.Generator) -> Export:
    name = ("scores", "funds", "demands")[int(rng.integers(3))]
    encoding = ("gb18030", "utf-16", "utf-16-le", "utf-8-in-cp1252")[int(rng.integers(4))]
    text = as_csv(export.rows[name]).decode()  # type: ignore[index]
    content = text.replace("基金", "é").encode("cp1252") if encoding == "utf-8-in-cp1252" else text.encode(encoding)
    return export.with_file(name, content)  # type: ignore[arg-type]


@_kind(REFUSED)
def a_workbook_or_an_archive(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        inner = ("[Content_Types].xml", f"{name}.csv")[int(rng.integers(2))]
        made.writestr(inner, as_csv(export.rows[name]))
    return export.with_file(
        name, content.getvalue(), (f"{name}.xlsx", f"{name}.zip", f"{name}.csv")[int(rng.integers(3))]
    )


@_kind(REFUSED)
def another_format(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    if rng.random() < 0.5:
        return export.with_file(name, export.rows[name].to_json(orient="records").encode(), f"{name}.json")
    content = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pandas(export.rows[name]), content)
    return export.with_file(name, content.getvalue(), f"{name}.feather")


@_kind(SAME)
def a_name_that_looks_like_a_pattern(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    odd = (
        f"{name}[1].csv",
        f"{name}*",
        f"{name}?.csv",
        f"{name}{{1,2}}.csv",
        f"_{name}.csv",
        f".{name}",
        f"{name}:1.csv",
    )
    decoy = as_csv(export.rows[name][:1])
    chosen = odd[int(rng.integers(len(odd)))]
    made = replace(export, files={**export.files, f"{name}1.csv": decoy, f"{name}x.csv": decoy})
    return made.with_file(name, as_csv(export.rows[name]), chosen)


@_kind(SAME)
def whole_numbers_with_a_point(export: Export, rng: np.random.Generator) -> Export:
    name, column = (
        ("demands", "demand"),
        ("funds", "risk_level"),
        ("scores", "risk_tolerance"),
        ("scores", "user_id"),
    )[int(rng.integers(4))]
    rows = export.rows[name]  # type: ignore[index]
    return export.with_rows(name, rows.assign(**{column: rows[column] + ".0"}))  # type: ignore[arg-type]


@_kind(SAME)
def zeros_before_every_id(export: Export, _: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    return export.with_rows("scores", rows.assign(user_id=rows["user_id"].str.zfill(8)))


@_kind(REFUSED)
def zeros_before_some_ids(export: Export, rng: np.random.Generator) -> Export:
    """Another user's rows, whose id is the number of one who is there."""
    rows = export.rows["scores"]
    twin = rows[rows["user_id"] == rows["user_id"].iloc[_row(rows, rng)]]
    funds = twin.sample(frac=0.5, random_state=int(rng.integers(1000))).index
    return export.with_rows(
        "scores", rows.assign(user_id=["0" + u if i in funds else u for i, u in rows["user_id"].items()])
    )


@_kind(SAME)
def blanks_around_numbers(export: Export, _: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    columns = {name: " " + rows[name] + " " for name in ("user_id", "risk_tolerance", "expected_revenue")}
    return export.with_rows("scores", rows.assign(**columns))


@_kind(SAME)
def numbers_with_an_exponent(export: Export, _: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    written = [f"{float(each):+.17e}" if each else "" for each in rows["expected_revenue"]]
    return export.with_rows("scores", rows.assign(expected_revenue=written))


@_kind(REFUSED)
def a_user_id_that_a_spreadsheet_rounded(export: Export, rng: np.random.Generator) -> Export:
    return _set(export, "scores", _row(export.rows["scores"], rng), "user_id", "1.23457E+11")


@_kind(REFUSED)
def a_word_for_no_number(export: Export, rng: np.random.Generator) -> Export:
    word = ("NULL", "N/A", "nan", "-", "#N/A", "inf", "1.5d", "0x1F", "12%")[int(rng.integers(9))]
    return _set(export, "scores", _row(export.rows["scores"], rng), "expected_revenue", word)


def _near(name: str, rng: np.random.Generator) -> str:
    ways = (
        f"{name} ",
        f" {name}",
        f"{name}\u00a0",
        f"{name}\u200b",
        name.swapcase() if name.swapcase() != name else f"{name} ",
        unicodedata.normalize("NFD", name) if unicodedata.normalize("NFD", name) != name else f"\u3000{name}",
    )
    return ways[int(rng.integers(len(ways)))]


@_kind(REFUSED)
def a_fund_of_the_demands_nearly_named(export: Export, rng: np.random.Generator) -> Export:
    row = _row(export.rows["demands"], rng)
    return _set(export, "demands", row, "fund_id", _near(_FUNDS[row], rng))


@_kind(REFUSED)
def a_fund_of_the_scores_nearly_named(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    row = _row(rows, rng)
    fund = str(rows["fund_id"].iloc[row])
    other = _near(fund, rng)
    if rng.random() < 0.5:
        return _set(export, "scores", row, "fund_id", other)
    return export.with_rows("scores", rows.assign(fund_id=rows["fund_id"].replace(fund, other)))


@_kind(SAME)
def scores_of_other_campaigns_too(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"].assign(campaign_id="Frühling")
    other = rows.assign(campaign_id="Winter", user_id=[f"9{user}" for user in rows["user_id"]], expected_revenue="1")
    return export.with_rows("scores", pd.concat([rows, other]).sample(frac=1, random_state=int(rng.integers(1000))))


@_kind(REFUSED)
def a_row_twice(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    rows = export.rows[name]
    return export.with_rows(name, pd.concat([rows, rows.iloc[[_row(rows, rng)]]]))


@_kind(SAME)
def marks_for_never(export: Export, rng: np.random.Generator) -> Export:
    mark = ("-1e9", "-1e15", "-1e18", "-999999999999")[int(rng.integers(4))]
    rows = export.rows["scores"]
    return export.with_rows("scores", rows.assign(expected_revenue=rows["expected_revenue"].replace("", mark)))


@_kind(REFUSED)
def a_number_near_the_end_of_floats(export: Export, rng: np.random.Generator) -> Export:
    value = ("1e308", "-1.7976931348623157e308", "1e200")[int(rng.integers(3))]
    row = _row(export.rows["scores"], rng)
    return _set(_set(export, "scores", row, "expected_revenue", value), "scores", row, "risk_tolerance", "5")


@_kind(REFUSED)
def demands_beyond_any_count(export: Export, rng: np.random.Generator) -> Export:
    value = ("9223372036854775807", "9223372036854775808", "1e18", "4611686018427387904")[int(rng.integers(4))]
    return _set(export, "demands", 0, "demand", value)


def _typed(export: Export, name: Table) -> pa.Table:
    rows = export.rows[name]
    kinds = {"user_id": int, "risk_tolerance": int, "risk_level": int, "demand": int}
    columns = {
        column: pa.array([kinds[column](each) for each in cells])
        if column in kinds
        else pa.array([float(each) if each else None for each in cells])
        if column == "expected_revenue"
        else pa.array(list(cells))
        for column, cells in rows.items()
    }
    return pa.table(columns)


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


@_kind(SAME)
def parquet_of_other_types(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    table = _typed(export, name)
    made = (pa.float64(), pa.int8(), pa.decimal128(30, 2))[int(rng.integers(3))]
    changed = {
        column: cells.cast(made) if column in ("risk_tolerance", "risk_level", "demand") else cells
        for column, cells in zip(table.column_names, table.columns, strict=True)
    }
    if "fund_id" in changed and rng.random() < 0.5:
        changed["fund_id"] = changed["fund_id"].dictionary_encode()
    return export.with_file(name, _parquet(pa.table(changed)), f"{name}.parquet")


@_kind(SAME)
def parquet_with_columns_in_capitals(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    table = _typed(export, name)
    return export.with_file(name, _parquet(table.rename_columns([c.upper() for c in table.column_names])), f"{name}.pq")


@_kind(SAME)
def parquet_in_folders_by_fund(export: Export, _: np.random.Generator) -> Export:
    table = _typed(export, "scores")
    parts = {
        f"fund_id={fund}/p.parquet": _parquet(
            table.filter(pa.compute.equal(table["fund_id"], fund)).drop_columns("fund_id")
        )
        for fund in _FUNDS
    }
    return export.with_folder("scores", parts)


@_kind(REFUSED)
def parquet_files_that_differ(export: Export, rng: np.random.Generator) -> Export:
    table = _typed(export, "scores")
    cut = int(rng.integers(1, table.num_rows))
    second = table.slice(cut)
    place = int(rng.integers(len(table.column_names)))
    if rng.random() < 0.5:
        second = second.remove_column(place)
    else:
        second = second.set_column(
            place, table.column_names[place], second.column(place).cast(pa.string()).cast(pa.binary())
        )
    return export.with_folder("scores", {"1.parquet": _parquet(table.slice(0, cut)), "2.parquet": _parquet(second)})


@_kind(REFUSED)
def parquet_cut_off(export: Export, rng: np.random.Generator) -> Export:
    name = _any(rng)
    content = _parquet(_typed(export, name))
    return export.with_file(name, content[: int(rng.integers(4, len(content) - 8))], f"{name}.parquet")


@_kind(REFUSED)
def parquet_of_halves(export: Export, rng: np.random.Generator) -> Export:
    name, column = (("demands", "demand"), ("funds", "risk_level"), ("scores", "user_id"))[int(rng.integers(3))]
    table = _typed(export, name)  # type: ignore[arg-type]
    halves = pa.array([each + 0.5 for each in table[column].to_pylist()])
    table = table.set_column(table.column_names.index(column), column, halves)
    return export.with_file(name, _parquet(table), f"{name}.parquet")  # type: ignore[arg-type]

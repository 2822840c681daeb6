"""Exports that differ in their cells: numbers, ids, names of funds, rows too many."""

from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd

from tests.fuzz.exports.export import FUNDS, Export
from tests.fuzz.exports.kinds import REFUSED, SAME, Kinds, any_row, any_table, with_cell

KINDS = Kinds()


@KINDS.gives(SAME)
def whole_numbers_with_a_point(export: Export, rng: np.random.Generator) -> Export:
    name, column = (
        ("demands", "demand"),
        ("funds", "risk_level"),
        ("scores", "risk_tolerance"),
        ("scores", "user_id"),
    )[int(rng.integers(4))]
    rows = export.rows[name]  # type: ignore[index]
    return export.with_rows(name, rows.assign(**{column: rows[column] + ".0"}))  # type: ignore[arg-type]


@KINDS.gives(SAME)
def zeros_before_every_id(export: Export, _: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    return export.with_rows("scores", rows.assign(user_id=rows["user_id"].str.zfill(8)))


@KINDS.gives(REFUSED)
def zeros_before_some_ids(export: Export, rng: np.random.Generator) -> Export:
    """Rows of another user, whose id is the same number as that of a user of the campaign."""
    rows = export.rows["scores"]
    twin = rows[rows["user_id"] == rows["user_id"].iloc[any_row(rows, rng)]]
    funds = twin.sample(frac=0.5, random_state=int(rng.integers(1000))).index
    return export.with_rows(
        "scores", rows.assign(user_id=["0" + u if i in funds else u for i, u in rows["user_id"].items()])
    )


@KINDS.gives(SAME)
def blanks_around_numbers(export: Export, _: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    columns = {name: " " + rows[name] + " " for name in ("user_id", "risk_tolerance", "expected_revenue")}
    return export.with_rows("scores", rows.assign(**columns))


@KINDS.gives(SAME)
def numbers_with_an_exponent(export: Export, _: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    written = [f"{float(each):+.17e}" if each else "" for each in rows["expected_revenue"]]
    return export.with_rows("scores", rows.assign(expected_revenue=written))


@KINDS.gives(REFUSED)
def a_user_id_that_a_spreadsheet_rounded(export: Export, rng: np.random.Generator) -> Export:
    return with_cell(export, "scores", any_row(export.rows["scores"], rng), "user_id", "1.23457E+11")


@KINDS.gives(REFUSED)
def a_word_for_no_number(export: Export, rng: np.random.Generator) -> Export:
    word = ("NULL", "N/A", "nan", "-", "#N/A", "inf", "1.5d", "0x1F", "12%")[int(rng.integers(9))]
    return with_cell(export, "scores", any_row(export.rows["scores"], rng), "expected_revenue", word)


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


@KINDS.gives(REFUSED)
def a_fund_of_the_demands_nearly_named(export: Export, rng: np.random.Generator) -> Export:
    row = any_row(export.rows["demands"], rng)
    return with_cell(export, "demands", row, "fund_id", _near(FUNDS[row], rng))


@KINDS.gives(REFUSED)
def a_fund_of_the_scores_nearly_named(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    row = any_row(rows, rng)
    fund = str(rows["fund_id"].iloc[row])
    other = _near(fund, rng)
    if rng.random() < 0.5:
        return with_cell(export, "scores", row, "fund_id", other)
    return export.with_rows("scores", rows.assign(fund_id=rows["fund_id"].replace(fund, other)))


@KINDS.gives(SAME)
def scores_of_other_campaigns_too(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"].assign(campaign_id="Frühling")
    other = rows.assign(campaign_id="Winter", user_id=[f"9{user}" for user in rows["user_id"]], expected_revenue="1")
    return export.with_rows("scores", pd.concat([rows, other]).sample(frac=1, random_state=int(rng.integers(1000))))


@KINDS.gives(REFUSED)
def a_row_twice(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    rows = export.rows[name]
    return export.with_rows(name, pd.concat([rows, rows.iloc[[any_row(rows, rng)]]]))


@KINDS.gives(SAME)
def marks_for_never(export: Export, rng: np.random.Generator) -> Export:
    mark = ("-1e9", "-1e15", "-1e18", "-999999999999")[int(rng.integers(4))]
    rows = export.rows["scores"]
    return export.with_rows("scores", rows.assign(expected_revenue=rows["expected_revenue"].replace("", mark)))


@KINDS.gives(REFUSED)
def a_number_near_the_end_of_floats(export: Export, rng: np.random.Generator) -> Export:
    value = ("1e308", "-1.7976931348623157e308", "1e200")[int(rng.integers(3))]
    row = any_row(export.rows["scores"], rng)
    return with_cell(with_cell(export, "scores", row, "expected_revenue", value), "scores", row, "risk_tolerance", "5")


@KINDS.gives(REFUSED)
def demands_beyond_any_count(export: Export, rng: np.random.Generator) -> Export:
    value = ("9223372036854775807", "9223372036854775808", "1e18", "4611686018427387904")[int(rng.integers(4))]
    return with_cell(export, "demands", 0, "demand", value)

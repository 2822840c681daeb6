"""What a kind of export is, and the choices that a kind leaves to chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from tests.fuzz.exports.export import TABLES, Export, Table

SAME, REFUSED = "same", "refused"
Mutation = Callable[[Export, np.random.Generator], Export]


class Kinds(dict[str, tuple[Mutation, str]]):
    """By name: how a kind changes the files, and what must come of it: the clean files' result, or a refusal."""

    def gives(self, outcome: str) -> Callable[[Mutation], Mutation]:
        """Adds a mutation under its own name."""

        def add(mutation: Mutation) -> Mutation:
            self[mutation.__name__] = (mutation, outcome)
            return mutation

        return add


def any_table(rng: np.random.Generator) -> Table:
    return TABLES[int(rng.integers(len(TABLES)))]


def any_row(rows: pd.DataFrame, rng: np.random.Generator) -> int:
    return int(rng.integers(len(rows)))


def with_cell(export: Export, name: Table, row: int, column: str, value: str) -> Export:
    rows = export.rows[name].copy()
    rows.loc[row, column] = value
    return export.with_rows(name, rows)


def priced_rows(export: Export) -> list[int]:
    rows = export.rows["scores"]
    return [int(row) for row in rows.index[rows["expected_revenue"] != ""]]

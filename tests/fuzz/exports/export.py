"""A clean campaign of text files, and the files that an export makes of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

Table = Literal["scores", "funds", "demands"]
TABLES: tuple[Table, ...] = ("scores", "funds", "demands")
FUNDS = ("a", "bond", "Höhe", "基金")


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
            for fund in FUNDS
        ],
        columns=["user_id", "risk_tolerance", "fund_id", "expected_revenue"],
    )
    funds = pd.DataFrame({"fund_id": FUNDS, "risk_level": ["1", "2", "3", "5"]})
    demands = pd.DataFrame({"campaign_id": "Frühling", "fund_id": FUNDS, "demand": [str(users), "2", "1", "1"]})
    return Export({"scores": scores, "funds": funds, "demands": demands})


def as_csv(rows: pd.DataFrame, separator: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    """The rows as a CSV with a header."""
    text = rows.to_csv(index=False, sep=separator, lineterminator=end, quoting=quoting)  # type: ignore[call-overload]
    return str(text).encode()

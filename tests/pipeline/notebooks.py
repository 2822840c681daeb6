"""Runs a notebook's cells one after the other, as Databricks does; the test provides the objects of Databricks."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"


class Widgets:
    """Takes the place of `dbutils.widgets`, with the test's values."""

    def __init__(self, values: dict[str, str]) -> None:
        self.widgets, self._values = self, dict(values)

    def text(self, name: str, default: str) -> None:
        self._values.setdefault(name, default)

    def get(self, name: str) -> str:
        return self._values[name]


class Shown:
    """What a notebook displayed and printed."""

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.printed = ""

    def frames(self) -> list[pd.DataFrame]:
        """The displayed frames."""
        return [thing.toPandas() for thing in self.shown if isinstance(thing, DataFrame)]


def run_notebook(name: str, spark: SparkSession, widgets: dict[str, str]) -> Shown:
    """Runs notebooks/NAME.py with the widgets' values."""
    source = (NOTEBOOKS / f"{name}.py").read_text(encoding="utf-8")
    assert source.startswith("# Databricks notebook source\n")
    shown, out = Shown(), io.StringIO()
    names = {"spark": spark, "display": shown.shown.append, "dbutils": Widgets(widgets)}
    with contextlib.redirect_stdout(out):
        for number, cell in enumerate(source.split("# COMMAND ----------")):
            exec(compile(cell, f"{name}.py, cell {number}", "exec"), names)  # the notebook itself
    shown.printed = out.getvalue()
    return shown

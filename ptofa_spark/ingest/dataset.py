"""What a data set declares of itself: how it is loaded, how its users are split, and what source it needs.

Each data set stands in a module of its own, as `DATASET`, and has one line in `settings.DATASETS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import SparkSession

from ptofa_spark.ingest.raw_tables import RawTables
from ptofa_spark.ingest.settings import IngestSettings


@dataclass(frozen=True)
class Dataset:
    """A data set.

    load: makes its raw tables, which `ingest` checks and writes. split_by: what separates training from test, `user`
    for the log of one campaign or of targeted ones; None where the settings of `build_features` decide. needs_source:
    what `--source` is, in words; None where the data set needs none.
    """

    load: Callable[[SparkSession, IngestSettings], RawTables]
    split_by: Literal["user", "campaign"] | None = None
    needs_source: str | None = None

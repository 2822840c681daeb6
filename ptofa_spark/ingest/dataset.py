"""What a data set declares: how it is loaded, how its users are split, and which source it needs.

Each data set has its own module, which declares it as `DATASET`, and one line in `settings.DATASETS`.
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

    load: returns its raw tables, which `ingest` checks and writes. split_by: what separates training from test. It is
    `user` for the log of one campaign or of targeted campaigns. If None, the settings of `build_features` decide.
    needs_source: a description of `--source`; None if the data set needs no source.
    """

    load: Callable[[SparkSession, IngestSettings], RawTables]
    split_by: Literal["user", "campaign"] | None = None
    needs_source: str | None = None

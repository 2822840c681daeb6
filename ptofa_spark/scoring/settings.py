"""Settings of the job `score`."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import ConfigDict, Field

from ptofa_spark.config import Settings
from ptofa_spark.running.local_folder import LocalPath


class ScoreSettings(Settings):
    """Settings of `score`."""

    model_config = ConfigDict(protected_namespaces=())

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    snapshot_date: date | None = Field(None, description="snapshot of the feature tables to read; the newest if empty")
    model_dir: LocalPath = Field("model", min_length=1, description="folder of the trained model, as train wrote it")
    audience: Literal["all", "test"] = Field(
        "all", description="users to score: all, or those of the test split (for campaigns that have exposures)"
    )
    output: str | None = Field(None, description="Delta table to write; empty: the warehouse's table scores")

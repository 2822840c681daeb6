"""The settings of the command `build_features`."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from ptofa_spark.tables.csv_settings import CsvSettings


class BuildFeaturesSettings(CsvSettings):
    """Settings of `build_features`."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    snapshot_date: date | None = Field(
        None, description="start of the campaign to build for, UTC; the last campaign's if empty"
    )
    seed: int = Field(7, ge=0, description="seed of the split of the users")
    test_share: float = Field(0.5, gt=0, lt=1, description="split by user: share of users in the test split")
    validation_share: float = Field(
        0.1, gt=0, lt=1, description="share of the other users in the validation split (paper: 0.1)"
    )
    split_by: Literal["campaign", "user"] = Field(
        "campaign",
        description="campaign: the last campaign with exposures is the test split; user: a hash of the id splits users",
    )
    max_quarantined_share: float = Field(
        0.01, ge=0, le=1, description="largest share of a raw table's rows that may be bad"
    )
    rebuild_version: int | None = Field(
        None,
        ge=0,
        description="version of table examples to build again, from the same versions of the raw tables",
    )

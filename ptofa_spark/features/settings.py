"""What `build_features` is asked to do."""

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
    test_share: float = Field(0.5, gt=0, lt=1, description="split by user: share of the users that tests")
    validation_share: float = Field(0.1, gt=0, lt=1, description="share of the other users that validates (paper: 0.1)")
    split_by: Literal["campaign", "user"] = Field(
        "campaign",
        description="campaign: the last campaign with exposures tests; user: the users are split by a hash of their id",
    )
    max_quarantined_share: float = Field(
        0.01, ge=0, le=1, description="largest share of a raw table's rows that may be bad"
    )
    rebuild_version: int | None = Field(
        None,
        ge=0,
        description="version of table examples to build again, from the raw tables in the versions it was built from",
    )

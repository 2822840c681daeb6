"""Settings of the ingest: which data, from where, into which warehouse."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ptofa_spark.tables.csv_settings import CsvSettings


class IngestSettings(CsvSettings):
    """What to read and where to write it."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the raw tables")
    seed: int = Field(7, ge=0, description="decides with test_share who is a test user, whom the demands count")
    test_share: float = Field(0.5, gt=0, lt=1, description="share of the users that tests, for the public data sets")
    dataset: Literal["hillstrom", "completejourney", "own"] = Field(
        "own", description="hillstrom, completejourney (pip extra `examples`) or own"
    )
    source: str | None = Field(
        None, description="hillstrom: path or URI of the CSV; own: directory, URI or catalog.schema of the raw tables"
    )
    journey_campaigns: int = Field(
        8, ge=1, le=27, description="completejourney: how many campaigns, those with most targets, become funds"
    )

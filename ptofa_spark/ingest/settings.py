"""Settings of the ingest: which data, from where, into which warehouse."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ptofa_spark.registry import Entry, Registry
from ptofa_spark.tables.csv_settings import CsvSettings

# A data set's one line; its module says the rest.
DATASETS = Registry(
    what="data set",
    package="ptofa_spark.ingest",
    declares="DATASET",
    entries={
        "hillstrom": Entry("hillstrom", "Hillstrom's e-mail experiment, source: path or URI of its CSV"),
        "completejourney": Entry("completejourney", "a retailer's panel (pip extra `examples`), without a source"),
        "own": Entry("own_tables", "your own raw tables, source: their directory, URI or catalog.schema"),
    },
)


class IngestSettings(CsvSettings):
    """What to read and where to write it."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the raw tables")
    seed: int = Field(7, ge=0, description="decides with test_share who is a test user, whom the demands count")
    test_share: float = Field(0.5, gt=0, lt=1, description="share of the users that tests, for the public data sets")
    dataset: Annotated[str, AfterValidator(DATASETS.known)] = Field("own", description=DATASETS.help)
    source: str | None = Field(None, description="path, URI or catalog.schema to read; dataset says what each reads")
    journey_campaigns: int = Field(
        8, ge=1, le=27, description="completejourney: how many campaigns, those with most targets, become funds"
    )

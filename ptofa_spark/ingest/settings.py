"""Settings of the ingest: which data, from where, into which warehouse."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ptofa_spark.registry import Entry, Registry
from ptofa_spark.tables.csv_settings import CsvSettings

# One line per data set. Its module declares the rest.
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
    seed: int = Field(7, ge=0, description="with test_share, selects the test users; the demands sum to their number")
    test_share: float = Field(0.5, gt=0, lt=1, description="public data sets: share of the users in the test split")
    dataset: Annotated[str, AfterValidator(DATASETS.known)] = Field("own", description=DATASETS.help)
    source: str | None = Field(None, description="path, URI or catalog.schema to read; dataset says what each reads")
    journey_campaigns: int = Field(
        8, ge=1, le=27, description="completejourney: number of campaigns, those with most targets, that become funds"
    )

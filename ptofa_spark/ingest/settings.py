"""Settings of the ingest: which data, from where, into which warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from ptofa_spark.tables.csv_settings import CsvSettings


@dataclass(frozen=True)
class DatasetEntry:
    """module: below `ptofa_spark.ingest`, whose DATASET it is; help: for --help."""

    module: str
    help: str


# A data set's one line; its module says the rest.
DATASETS = {
    "hillstrom": DatasetEntry("hillstrom", "Hillstrom's e-mail experiment"),
    "completejourney": DatasetEntry("completejourney", "a retailer's panel (pip extra `examples`)"),
    "own": DatasetEntry("own_tables", "your own raw tables"),
}


def known_dataset(name: str) -> str:
    """The name, if a data set has it.

    Raises:
        ValueError: none has. Pydantic makes a `ConfigError` of it.
    """
    if name not in DATASETS:
        raise ValueError(f"no data set has this name: choose one of {', '.join(DATASETS)}")
    return name


class IngestSettings(CsvSettings):
    """What to read and where to write it."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the raw tables")
    seed: int = Field(7, ge=0, description="decides with test_share who is a test user, whom the demands count")
    test_share: float = Field(0.5, gt=0, lt=1, description="share of the users that tests, for the public data sets")
    dataset: Annotated[str, AfterValidator(known_dataset)] = Field(
        "own", description="; ".join(f"{name}: {entry.help}" for name, entry in DATASETS.items())
    )
    source: str | None = Field(
        None, description="hillstrom: path or URI of the CSV; own: directory, URI or catalog.schema of the raw tables"
    )
    journey_campaigns: int = Field(
        8, ge=1, le=27, description="completejourney: how many campaigns, those with most targets, become funds"
    )

"""Settings of the job `compare_models`."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from ptofa_spark.config import Settings
from ptofa_spark.models.registry import MODELS
from ptofa_spark.running.local_folder import LocalFolder


class CompareModelsSettings(Settings):
    """Settings of `compare_models`. The settings of its trainings are in the config file's section `train`."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    warehouses: str | None = Field(None, description="warehouses, comma-separated; `warehouse` if empty")
    snapshot_date: date | None = Field(None, description="snapshot of the feature tables to read; the newest if empty")
    report: LocalFolder = Field("reports", min_length=1, description="directory for table_1.md and table_1.json")
    models: str = Field(
        ",".join(MODELS),
        pattern=r"^\w+(,\w+)*$",
        description="models to train, with the settings of the config file's section train",
    )
    seeds: int = Field(3, ge=1, description="trainings per model, with consecutive seeds from `seed` on")
    seed: int = Field(7, ge=0, description="seed of the first training of each model")
    max_rows: int = Field(
        5_000_000, ge=1_000, description="maximum test exposures for the metrics; if there are more, a sample of users"
    )

    def each_warehouse(self) -> tuple[str, ...]:
        """The warehouses, in the order given."""
        return tuple((self.warehouses or self.warehouse).split(","))

    def each_model(self) -> tuple[str, ...]:
        """The models, in the order given."""
        return tuple(self.models.split(","))

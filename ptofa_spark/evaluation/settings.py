"""What `evaluate` and `what_if` are asked to do."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from ptofa_spark.allocation.settings import MOST_SLOTS
from ptofa_spark.config import Settings
from ptofa_spark.models.registry import MODELS
from ptofa_spark.running.local_folder import LocalFolder, LocalPath


class EvaluateSettings(Settings):
    """Settings of `evaluate`. Allocation N is table `allocation_N` of the warehouse, reported in `report/N`."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    snapshot_date: date | None = Field(None, description="snapshot of the feature tables to read; the newest if empty")
    model_dir: LocalPath = Field("warehouse/model", min_length=1, description="folder of the trained model")
    report: LocalFolder = Field("reports", min_length=1, description="directory for report.html and evaluation.json")
    allocations: str = Field("manual,ha", pattern=r"^\w+(,\w+)*$", description="names of the allocations to compare")
    bootstrap: int = Field(1_000, ge=100, le=100_000, description="resamples of an allocation's interval")
    metric_bootstrap: int = Field(200, ge=20, le=100_000, description="resamples of a predictor's intervals")
    seed: int = Field(7, ge=0, description="seed of the resamples")
    max_rows: int = Field(
        5_000_000, ge=1_000, description="most test exposures for the metrics; above, a sample of users"
    )
    table1: bool = Field(False, description="train and compare all models (Table 1) instead of evaluating one")
    table1_warehouses: str | None = Field(
        None, description="Table 1: warehouses, comma-separated; `warehouse` if empty"
    )
    table1_models: str = Field(
        ",".join(MODELS),
        pattern=r"^\w+(,\w+)*$",
        description="Table 1: models to train, with the settings of the config file's section train",
    )
    table1_seeds: int = Field(3, ge=1, description="Table 1: trainings of each model, from `seed` up")
    campaign: bool = Field(False, description="simulate a campaign of arms (Table 2) instead of evaluating one model")
    campaign_arms: str = Field(
        "esmm+manual,esmm+ha,ptofa+ha,ptofa+exact,oracle+exact",
        description="Table 2: arms, each predictor+method; a predictor is a model (section train) or oracle",
    )
    campaign_k: int = Field(1, ge=1, le=MOST_SLOTS, description="Table 2: funds that a user gets (K)")

    def names(self) -> tuple[str, ...]:
        """The allocations, in the order given."""
        return tuple(self.allocations.split(","))

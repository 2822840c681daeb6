"""Settings of the job `evaluate`."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from ptofa_spark.config import Settings
from ptofa_spark.running.local_folder import LocalFolder, LocalPath

# Settings of earlier versions, in which `evaluate` also made the paper's two tables.
_MOVED = {
    "table1": "run the job compare_models",
    "table1_warehouses": "it is the setting warehouses of the job compare_models",
    "table1_models": "it is the setting models of the job compare_models",
    "table1_seeds": "it is the setting seeds of the job compare_models",
    "campaign": "run the job simulate_campaign",
    "campaign_arms": "it is the setting arms of the job simulate_campaign",
    "campaign_k": "it is the setting k of the job simulate_campaign",
}


class EvaluateSettings(Settings):
    """Settings of `evaluate`. Allocation N is the table `allocation_N` of the warehouse. Its report is `report/N`."""

    moved = _MOVED

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    snapshot_date: date | None = Field(None, description="snapshot of the feature tables to read; the newest if empty")
    model_dir: LocalPath = Field("warehouse/model", min_length=1, description="folder of the trained model")
    report: LocalFolder = Field("reports", min_length=1, description="directory for report.html and evaluation.json")
    allocations: str = Field("manual,ha", pattern=r"^\w+(,\w+)*$", description="names of the allocations to compare")
    bootstrap: int = Field(1_000, ge=100, le=100_000, description="bootstrap resamples for an allocation's intervals")
    metric_bootstrap: int = Field(200, ge=20, le=100_000, description="bootstrap resamples for a predictor's intervals")
    seed: int = Field(7, ge=0, description="seed of the resamples")
    max_rows: int = Field(
        5_000_000, ge=1_000, description="maximum test exposures for the metrics; if there are more, a sample of users"
    )

    def names(self) -> tuple[str, ...]:
        """The allocations, in the order given."""
        return tuple(self.allocations.split(","))

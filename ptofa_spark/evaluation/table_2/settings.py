"""Settings of the job `simulate_campaign`."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from ptofa_spark.allocation.settings import MOST_SLOTS
from ptofa_spark.config import Settings
from ptofa_spark.running.local_folder import LocalFolder


class SimulateCampaignSettings(Settings):
    """Settings of `simulate_campaign`. The settings of its trainings are in the config file's section `train`."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    snapshot_date: date | None = Field(None, description="snapshot of the feature tables to read; the newest if empty")
    report: LocalFolder = Field("reports", min_length=1, description="directory for table_2.md and table_2.json")
    arms: str = Field(
        "esmm+manual,esmm+ha,ptofa+ha,ptofa+exact,oracle+exact",
        description="arms, each predictor+method; a predictor is oracle, or a model that is trained by section train",
    )
    k: int = Field(1, ge=1, le=MOST_SLOTS, description="funds that a user gets (K)")
    bootstrap: int = Field(1_000, ge=100, le=100_000, description="bootstrap resamples for an arm's intervals")
    seed: int = Field(7, ge=0, description="seed of the arms, the trainings, the outcomes and the resamples")

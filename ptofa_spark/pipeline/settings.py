"""What `run_pipeline` is asked to do; each stage's own settings stand in its section of the config file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ptofa_spark.config import Settings
from ptofa_spark.ingest.settings import DATASETS
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.local_folder import LocalFolder
from ptofa_spark.simulator.settings import SMALL_USERS

SYNTHETIC = "synthetic"


def _known_dataset(name: str) -> str:
    return DATASETS.known(name, SYNTHETIC)


class RunPipelineSettings(Settings):
    """Settings of `run_pipeline`."""

    warehouse: str = Field("warehouse", description="directory, URI or catalog.schema of the tables")
    report: LocalFolder = Field("reports", description="directory for the reports")
    model_dir: LocalFolder | None = Field(
        None,
        description="folder of the model; if empty, model in the warehouse if that is a folder, else in the report",
    )
    dataset: Annotated[str, AfterValidator(_known_dataset)] = Field(
        SYNTHETIC, description=f"{SYNTHETIC}: the simulator's platform; {DATASETS.help}"
    )
    source: str | None = Field(None, description="path, URI or catalog.schema to read; dataset says what each reads")
    seed: int = Field(7, description="seed of everything that draws")
    test_share: float = Field(0.5, gt=0, lt=1, description="share of users that tests, where users are split")
    validation_share: float = Field(0.1, gt=0, lt=1, description="share of the other users that validates")
    users: int | None = Field(None, ge=1, description="synthetic: number of users; the generator's default if empty")
    k: int = Field(1, ge=1, description="funds that a user gets (K)")

    def is_small(self) -> bool:
        """Whether the data set is small: then Java need not optimise its code."""
        if self.dataset != SYNTHETIC:
            return self.source is not None and small_inputs(self.source)
        return self.users is not None and self.users <= SMALL_USERS

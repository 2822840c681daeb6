"""The settings of the command `train`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from ptofa_spark.feed.row_groups import READERS
from ptofa_spark.models.registry import MODELS
from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.running.local_folder import LocalFolder

NUMBERS = r"^[0-9.e-]+(,[0-9.e-]+)*$"


class TrainSettings(ModelSettings):
    """Settings of `train`: those of the model, and those of its training."""

    model_config = ConfigDict(protected_namespaces=())

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    snapshot_date: date | None = Field(None, description="snapshot of the feature tables to read; the newest if empty")
    model_dir: LocalFolder = Field("model", min_length=1, description="folder to write the trained model to")
    model: Annotated[str, AfterValidator(MODELS.known)] = Field("ptofa", description=MODELS.help)
    seed: int = Field(7, ge=0, description="seed of weights, dropout and row order; same seed, same trained weights")
    batch_size: int = Field(512, ge=1, description="examples per step (paper: 512)")
    learning_rate: float = Field(0.0003, gt=0, description="learning rate of Adam (paper's grid: .01, .02, .04, .06)")
    epochs: int = Field(100, ge=1, description="most passes over the training split; patience usually stops earlier")
    patience: int = Field(2, ge=1, description="epochs without a better validation loss before training stops")
    averaging: float = Field(
        0.9997, ge=0, lt=1, description="decay per step of the average of the weights; 0: keep the last step's weights"
    )
    clip_norm: float = Field(5.0, gt=0, description="greatest norm of the gradient of a step")
    reader: Annotated[str, AfterValidator(READERS.known)] = Field("petastorm", description=READERS.help)
    shuffle_rows: int = Field(100_000, ge=1, description="rows of the shuffling buffer")
    grid: bool = Field(False, description="try every learning rate and dropout of the grid, and keep the best")
    grid_learning_rates: str = Field(
        ".01,.02,.04,.06", pattern=NUMBERS, description="learning rates of the grid (default: the paper's)"
    )
    grid_dropouts: str = Field(".1,.3,.5", pattern=NUMBERS, description="dropouts of the grid (default: the paper's)")
    processes: int = Field(1, ge=1, le=1_024, description="training processes, started by Spark if several")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where to train: cpu, or cuda with one GPU per process")
    checkpoint_steps: int = Field(5_000, ge=0, description="steps between checkpoints beside model_dir; 0: none")
    tracking: bool = Field(False, description="log the run to MLflow")
    tracking_uri: str = Field(
        "sqlite:///mlflow.db", min_length=1, description="MLflow's tracking server or database; databricks works too"
    )
    experiment: str = Field("ptofa", min_length=1, description="MLflow's experiment")

    def of_model(self) -> ModelSettings:
        """The model's own settings."""
        return ModelSettings(**self.model_dump(include=set(ModelSettings.model_fields)))

"""What `train` is asked to do."""

from __future__ import annotations

from datetime import date

from pydantic import ConfigDict, Field

from ptofa_spark.models.settings import ModelSettings


class TrainSettings(ModelSettings):
    """Settings of `train`: the model's own, and how it is fitted."""

    model_config = ConfigDict(protected_namespaces=())

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    snapshot_date: date | None = Field(None, description="snapshot of the feature tables to read; the newest if empty")
    model_dir: str = Field("model", min_length=1, description="folder to write the trained model to")
    model: str = Field(
        "ptofa", description="model by name: ptofa, ziln, mtl_mse, mmoe, shared_bottom, esmm, dnn_c or dnn_r"
    )
    seed: int = Field(7, ge=0, description="of weights, dropout and the order of rows: same seed, same weights")
    batch_size: int = Field(512, ge=1, description="examples a step (paper: 512)")
    learning_rate: float = Field(0.0003, gt=0, description="of Adam (the paper's grid: .01, .02, .04, .06)")
    epochs: int = Field(12, ge=1, description="passes over the training split, at most")
    patience: int = Field(2, ge=1, description="epochs without a better validation loss before training stops")
    clip_norm: float = Field(5.0, gt=0, description="greatest norm of the gradient of a step")
    shuffle_rows: int = Field(100_000, ge=1, description="rows of the shuffling buffer")

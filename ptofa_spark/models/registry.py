"""The models by name: the rows of the paper's Table 1."""

from __future__ import annotations

from typing import Any

from ptofa_spark.errors import ConfigError
from ptofa_spark.feed.blocks import Layout
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import RevenueModel
from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.registry import Entry, Registry

# One line per model. Its module declares the rest.
MODELS = Registry(
    what="model",
    package="ptofa_spark.models",
    declares="MODEL",
    entries={
        "ptofa": Entry("ptofa", "the paper's model"),
        "ziln": Entry("ziln", "the same network, zero-inflated log-normal loss"),
        "mtl_mse": Entry("mtl_mse", "shared bottom, squared error of revenue over all exposures"),
        "mmoe": Entry("mmoe", "experts that two tasks mix"),
        "shared_bottom": Entry("shared_bottom", "one trunk for two tasks"),
        "esmm": Entry("esmm", "click and conversion, no revenue"),
        "dnn_c": Entry("dnn_c", "conversion alone"),
        "dnn_r": Entry("dnn_r", "revenue alone"),
    },
)


def model_of(name: str) -> Model:
    """What the model with that name declares.

    Raises:
        ConfigError: no model has the name.
    """
    require_model(name)
    return MODELS.load(name, Model)


def build_model(name: str, layout: Layout, settings: ModelSettings) -> RevenueModel[Any]:
    """A model with fresh weights, drawn from torch's generator.

    Args:
        name: a row of Table 1.
        layout: numbers of columns and codes of the feature blocks.
        settings: of the model.

    Raises:
        ConfigError: no model has the name, or the model rejects the settings.
    """
    return model_of(name).build(layout, settings)


def require_model(name: str) -> None:
    """Rejects a name that no model has.

    Raises:
        ConfigError: no model has the name. The message lists the known ones.
    """
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}: {MODELS.choices()}")

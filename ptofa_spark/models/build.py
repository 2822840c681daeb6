"""Builds a model by its name."""

from __future__ import annotations

from typing import Any

from ptofa_spark.feed.blocks import Layout
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import RevenueModel
from ptofa_spark.models.registry import MODELS, require_model
from ptofa_spark.models.settings import ModelSettings


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

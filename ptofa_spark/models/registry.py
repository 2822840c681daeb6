"""Models by name: the rows of Table 1 that are here."""

from __future__ import annotations

from typing import Any

from ptofa_spark.errors import ConfigError
from ptofa_spark.feed.blocks import Layout
from ptofa_spark.models.prediction import RevenueModel
from ptofa_spark.models.ptofa import Ptofa
from ptofa_spark.models.settings import ModelSettings

MODELS: dict[str, type[RevenueModel[Any]]] = {"ptofa": Ptofa}


def build_model(name: str, layout: Layout, settings: ModelSettings) -> RevenueModel[Any]:
    """A model with fresh weights, drawn from torch's generator.

    Raises:
        ConfigError: no model of that name, or settings that the model refuses.
    """
    require_model(name)
    return MODELS[name](layout, settings)


def require_model(name: str) -> None:
    """Refuses a name that no model has.

    Raises:
        ConfigError: names the known ones.
    """
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}; known: {', '.join(sorted(MODELS))}")

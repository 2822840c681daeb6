"""Models by name: the rows of Table 1."""

from __future__ import annotations

from typing import Any

from ptofa_spark.errors import ConfigError
from ptofa_spark.feed.blocks import Layout
from ptofa_spark.models.dnn_c import DnnC
from ptofa_spark.models.dnn_r import DnnR
from ptofa_spark.models.esmm import Esmm
from ptofa_spark.models.mmoe import Mmoe
from ptofa_spark.models.mtl_mse import MtlMse
from ptofa_spark.models.parts.prediction import RevenueModel
from ptofa_spark.models.ptofa import Ptofa
from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.models.shared_bottom import SharedBottom
from ptofa_spark.models.ziln import Ziln

MODELS: dict[str, type[RevenueModel[Any]]] = {
    "ptofa": Ptofa,
    "ziln": Ziln,
    "mtl_mse": MtlMse,
    "mmoe": Mmoe,
    "shared_bottom": SharedBottom,
    "esmm": Esmm,
    "dnn_c": DnnC,
    "dnn_r": DnnR,
}


def build_model(name: str, layout: Layout, settings: ModelSettings) -> RevenueModel[Any]:
    """A model with fresh weights, drawn from torch's generator.

    Args:
        name: a row of Table 1.
        layout: numbers of columns and codes of the feature blocks.
        settings: of the model.

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

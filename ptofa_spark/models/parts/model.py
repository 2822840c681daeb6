"""What a model declares: how it is built, the unit of its predictions, and its heads.

Each model has its own module, which declares it as `MODEL`, and one line in `registry.MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ptofa_spark.feed.blocks import Layout
from ptofa_spark.models.parts.prediction import RevenueModel
from ptofa_spark.models.parts.units import Head, Unit
from ptofa_spark.models.settings import ModelSettings


@dataclass(frozen=True)
class Model:
    """A model.

    build: makes it with fresh weights, drawn from torch's generator. unit: of `Prediction.expected_revenue`, which the
    allocator gets: money, or conversions if the model predicts no money. heads: the other fields of `Prediction` that
    it fills. Table 1 leaves out the figures of fields that it does not fill.
    """

    build: Callable[[Layout, ModelSettings], RevenueModel[Any]]
    unit: Unit
    heads: tuple[Head, ...]

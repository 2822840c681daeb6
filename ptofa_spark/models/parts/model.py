"""What a model declares of itself: how it is built, the unit of what it hands over, and its heads.

Each model stands in a module of its own, as `MODEL`, and has one line in `registry.MODELS`.
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
    allocator gets: money, or conversions where the model predicts no money. heads: the other fields of `Prediction`
    that it fills; figures of the others are left out of Table 1.
    """

    build: Callable[[Layout, ModelSettings], RevenueModel[Any]]
    unit: Unit
    heads: tuple[Head, ...]

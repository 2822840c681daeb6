"""How the chosen weights do on the validation split: the figures kept beside the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from ptofa_spark.feed.blocks import Batch
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import RevenueModel


@dataclass(frozen=True)
class ValidationMetrics:
    """Figures of the validation split; None where the labels or the model do not have them.

    auc: of p_c, or of E where the model has no p_c; conversion_ratio: sum of p_c over conversions; revenue_ratio: sum
    of E over revenue, None where E is not money. Both ratios are 1 for a calibrated model.
    """

    rows: int
    conversions: int
    auc: float | None
    conversion_ratio: float | None
    revenue_ratio: float | None


def validate(model: RevenueModel[Any], declared: Model, batches: Iterator[Batch]) -> ValidationMetrics:
    """Predicts the batches; keeps two numbers per example, no features.

    Args:
        model: in evaluation mode.
        declared: what its module says of it.
        batches: of the validation split.
    """
    ranked, converted = [], []
    predicted_conversions = predicted_revenue = revenue = 0.0
    with torch.inference_mode():
        for batch in batches:
            prediction = model.predict(model(batch.features))
            score = prediction.expected_revenue if prediction.p_c is None else prediction.p_c
            ranked.append(score.numpy())
            converted.append(batch.labels.conversion.numpy() > 0)
            predicted_conversions += float(score.sum())
            predicted_revenue += float(prediction.expected_revenue.sum())
            revenue += float(batch.labels.revenue.double().sum())
    label = np.concatenate(converted)
    conversions = int(label.sum())
    return ValidationMetrics(
        rows=len(label),
        conversions=conversions,
        auc=float(roc_auc_score(label, np.concatenate(ranked))) if 0 < conversions < len(label) else None,
        conversion_ratio=predicted_conversions / conversions if "p_c" in declared.heads and conversions else None,
        revenue_ratio=predicted_revenue / revenue if declared.unit == "money" and revenue > 0 else None,
    )

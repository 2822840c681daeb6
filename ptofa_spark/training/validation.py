"""Figures of the chosen weights on the validation split. They are saved beside the model.

p_c is the probability of a conversion, E the expected revenue, AUC the area under the receiver operating
characteristic curve.
"""

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
    """Figures of the validation split. A figure is None if the labels or the model do not allow it.

    auc: of p_c, or of E if the model has no p_c; conversion_ratio: sum of p_c divided by conversions; revenue_ratio:
    sum of E divided by revenue, None if E is not money. Both ratios are 1 for a calibrated model.
    """

    rows: int
    conversions: int
    auc: float | None
    conversion_ratio: float | None
    revenue_ratio: float | None


def validate(model: RevenueModel[Any], declared: Model, batches: Iterator[Batch]) -> ValidationMetrics:
    """Predicts the batches and computes the figures. It keeps two numbers per example, and no features.

    Args:
        model: in evaluation mode.
        declared: what its module declares.
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

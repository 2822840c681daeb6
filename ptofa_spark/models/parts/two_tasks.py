"""What models with a conversion task and a revenue task share: their output, their loss and their prediction.

p_c is the probability of a conversion, r its revenue, and R the revenue of an exposure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Labels
from ptofa_spark.models.likelihoods import conversion_nll
from ptofa_spark.models.parts.prediction import Prediction


@dataclass(frozen=True)
class TwoTasks:
    """The logit of p_c, and log(1 + r); each (...)."""

    logit: Tensor
    log_revenue: Tensor


def conversions_loss(output: TwoTasks, labels: Labels) -> Tensor:
    """Cross-entropy of the conversion, plus the squared error of log(1 + R) on conversions: (examples,)."""
    error = (output.log_revenue - torch.log1p(labels.revenue)) ** 2
    return conversion_nll(output.logit, labels.conversion) + error * labels.conversion


def two_task_prediction(output: TwoTasks) -> Prediction:
    """Expected revenue E = p_c * r, money. If y is the predicted log(1 + r), r = exp(y) - 1, but at least 0."""
    p_c, log_revenue = torch.sigmoid(output.logit.double()), output.log_revenue.double()
    return Prediction(
        expected_revenue=p_c * torch.expm1(log_revenue).clamp_min(0.0),
        p_c=p_c,
        log10_revenue=p_c * log_revenue / math.log(10.0),
    )

"""MTL-MSE, multi-task learning with mean squared error: Shared-Bottom with a revenue loss over all exposures.

The loss of the paper's own model is over all exposures too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Labels
from ptofa_spark.models.likelihoods import conversion_nll
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.two_tasks import TwoTasks
from ptofa_spark.models.shared_bottom import SharedBottom


class MtlMse(SharedBottom):
    """Predicts p_c, the probability of a conversion, and r, its revenue. The allocator gets p_c * r."""

    def loss(self, output: TwoTasks, labels: Labels) -> Tensor:
        """Cross-entropy, plus the squared error of p_c * log(1 + r) against log(1 + R); R is an exposure's revenue."""
        mean = torch.sigmoid(output.logit) * output.log_revenue
        return conversion_nll(output.logit, labels.conversion) + (mean - torch.log1p(labels.revenue)) ** 2


MODEL = Model(MtlMse, unit="money", heads=("p_c", "log10_revenue"))

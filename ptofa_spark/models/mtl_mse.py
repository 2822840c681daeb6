"""MTL-MSE: Shared-Bottom whose revenue part is fitted over the entire space, as the paper's own model is."""

from __future__ import annotations

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Labels
from ptofa_spark.models.likelihoods import conversion_nll
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.two_tasks import TwoTasks
from ptofa_spark.models.shared_bottom import SharedBottom


class MtlMse(SharedBottom):
    """p_c and the revenue r of a conversion; the allocator gets p_c * r."""

    def loss(self, output: TwoTasks, labels: Labels) -> Tensor:
        """Cross-entropy plus the squared error of p_c * log(1 + r) as the mean of log(1 + R), over all exposures."""
        mean = torch.sigmoid(output.logit) * output.log_revenue
        return conversion_nll(output.logit, labels.conversion) + (mean - torch.log1p(labels.revenue)) ** 2


MODEL = Model(MtlMse, unit="money", heads=("p_c", "log10_revenue"))

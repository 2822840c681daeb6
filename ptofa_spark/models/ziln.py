"""ZILN: the paper's network with the zero-inflated log-normal loss, whose revenue part sees conversions only."""

from __future__ import annotations

from torch import Tensor

from ptofa_spark.feed.blocks import Labels
from ptofa_spark.models.likelihoods import zero_inflated_nll
from ptofa_spark.models.parts.heads import LogNormalOutput
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.ptofa import Ptofa


class Ziln(Ptofa):
    """p_c, mu and sigma of each pair; the allocator gets p_c * exp(mu + sigma^2 / 2)."""

    def loss(self, output: LogNormalOutput, labels: Labels) -> Tensor:
        """The log-likelihood of a zero-inflated log-normal, an example at a time."""
        return zero_inflated_nll(output.logit, output.mu, output.sigma, labels.revenue)


MODEL = Model(Ziln, unit="money", heads=("p_c", "mu", "sigma", "log10_revenue"))

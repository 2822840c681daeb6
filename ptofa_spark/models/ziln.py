"""ZILN: the paper's network with the zero-inflated log-normal loss. Only conversions enter its revenue term.

p_c is the probability of a conversion. mu and sigma are the mean and the standard deviation of its log revenue.
"""

from __future__ import annotations

from torch import Tensor

from ptofa_spark.feed.blocks import Labels
from ptofa_spark.models.likelihoods import zero_inflated_nll
from ptofa_spark.models.parts.heads import LogNormalOutput
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.ptofa import Ptofa


class Ziln(Ptofa):
    """Predicts p_c, mu and sigma of each pair. The allocator gets p_c * exp(mu + sigma^2 / 2)."""

    def loss(self, output: LogNormalOutput, labels: Labels) -> Tensor:
        """The negative log-likelihood of each example under a zero-inflated log-normal distribution."""
        return zero_inflated_nll(output.logit, output.mu, output.sigma, labels.revenue)


MODEL = Model(Ziln, unit="money", heads=("p_c", "mu", "sigma", "log10_revenue"))

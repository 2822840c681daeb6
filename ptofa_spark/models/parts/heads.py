"""The heads, a model's last layers: they predict the conversion and its revenue.

p_c is the probability of a conversion. mu and sigma are the mean and the standard deviation of its log revenue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ptofa_spark.models.likelihoods import bounded_sigma


@dataclass(frozen=True)
class LabelMoments:
    """Label statistics of the training split. They set the starting biases of the heads.

    rate: conversions per exposure, strictly between 0 and 1; log_revenue_mean, log_revenue_sd: mean and standard
    deviation of a conversion's log revenue; click_rate: clicks per exposure, strictly between 0 and 1, at least `rate`.
    """

    rate: float
    log_revenue_mean: float
    log_revenue_sd: float
    click_rate: float = 0.5


@dataclass(frozen=True)
class LogNormalOutput:
    """The logit of p_c, mu and sigma; each (...)."""

    logit: Tensor
    mu: Tensor
    sigma: Tensor


class ScalarHead(nn.Module):
    """Maps the hidden units to one number: a logit, or a logarithm of money."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1)

    def start_at(self, value: float) -> None:
        """Sets the bias."""
        with torch.no_grad():
            self.linear.bias.fill_(value)

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) to (...)."""
        number: Tensor = self.linear(hidden).squeeze(-1)
        return number


class LogNormalHead(nn.Module):
    """The three outputs of the paper's model: p_c, mu, sigma."""

    def __init__(self, width: int, sigma_min: float, sigma_max: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 3)
        self.sigma_min, self.sigma_max = sigma_min, sigma_max

    def start_at(self, moments: LabelMoments) -> None:
        """Sets the biases to the moments. From 0, mu would need thousands of steps to reach log revenue.

        A standard deviation outside the bounds of sigma starts just inside them.
        """
        share = (moments.log_revenue_sd - self.sigma_min) / (self.sigma_max - self.sigma_min)
        biases = [logit(moments.rate), moments.log_revenue_mean, logit(min(max(share, 0.05), 0.95))]
        with torch.no_grad():
            self.linear.bias.copy_(torch.tensor(biases))

    def forward(self, hidden: Tensor) -> LogNormalOutput:
        """(..., width) to three of (...)."""
        logit, mu, raw = self.linear(hidden).unbind(-1)
        return LogNormalOutput(logit, mu, bounded_sigma(raw, self.sigma_min, self.sigma_max))


def logit(probability: float) -> float:
    """log(p / (1 - p)) of a probability strictly between 0 and 1."""
    return math.log(probability) - math.log1p(-probability)

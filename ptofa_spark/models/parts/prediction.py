"""What every model predicts for a user-fund pair, and the interface that the trainer and the scorer use."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.parts.heads import LabelMoments
from ptofa_spark.models.settings import ModelSettings

Output = TypeVar("Output")


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for each pair, float64 (...). A field is None if the model has no such head.

    expected_revenue: what the allocator gets, per exposure, in the unit that the model declares; p_c: probability of
    conversion; mu, sigma: mean and standard deviation of log revenue of a conversion; log10_revenue: mean of
    log10(1 + R) per exposure, where R is an exposure's revenue (Table 1).
    """

    expected_revenue: Tensor
    p_c: Tensor | None = None
    mu: Tensor | None = None
    sigma: Tensor | None = None
    log10_revenue: Tensor | None = None


class RevenueModel(nn.Module, abc.ABC, Generic[Output]):
    """One row of Table 1. `forward` returns the heads' raw output, `loss` its loss, and `predict` its prediction.

    (...) is what the leading dimensions of the feature blocks broadcast to: (examples,) in training, (users, funds) in
    scoring.
    """

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__()
        self.layout, self.settings = layout, settings

    @abc.abstractmethod
    def start_at(self, moments: LabelMoments) -> None:
        """Sets the heads' biases to the training split's moments."""

    @abc.abstractmethod
    def forward(self, features: Features) -> Output:
        """The heads' output for each pair: logits and parameters of log money, each (...) float32."""

    @abc.abstractmethod
    def loss(self, output: Output, labels: Labels) -> Tensor:
        """Loss of each example, (examples,); training minimises its mean."""

    @abc.abstractmethod
    def predict(self, output: Output) -> Prediction:
        """The heads' output as probabilities and money per exposure, each (...) float64."""


def lognormal_prediction(p_c: Tensor, mu: Tensor, sigma: Tensor) -> Prediction:
    """Expected revenue E = p_c * exp(mu + sigma^2 / 2) (paper, equation 2), and mean log10(1 + R) = p_c * mu / ln 10.

    It computes in float64. In float32 the exponential would overflow above 3e38. It would also lose digits that the
    allocator needs to tell values apart.

    Args:
        p_c: (...), probability of conversion.
        mu: (...), mean of log revenue of a conversion.
        sigma: (...), standard deviation of log revenue of a conversion.
    """
    p_c, mu, sigma = p_c.double(), mu.double(), sigma.double()
    return Prediction(
        expected_revenue=p_c * torch.exp(mu + sigma**2 / 2),
        p_c=p_c,
        mu=mu,
        sigma=sigma,
        log10_revenue=p_c * mu / math.log(10.0),
    )

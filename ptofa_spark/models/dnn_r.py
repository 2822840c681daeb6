"""DNN-R, a deep neural network that predicts only the revenue R: least squares on log(1 + R) over all exposures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.parts.embedding import FeatureEmbedding
from ptofa_spark.models.parts.heads import LabelMoments, ScalarHead
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import Prediction, RevenueModel
from ptofa_spark.models.parts.trunk import Trunk
from ptofa_spark.models.settings import ModelSettings


class DnnR(RevenueModel[Tensor]):
    """Predicts y, the mean of log(1 + R) of each pair. The allocator gets exp(y) - 1, which is below the mean of R."""

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__(layout, settings)
        self.embedding = FeatureEmbedding(layout, settings.embedding_dim)
        self.trunk = Trunk(self.embedding.widths, settings)
        self.head = ScalarHead(self.trunk.width)

    def start_at(self, moments: LabelMoments) -> None:
        """Starts at the mean of log(1 + R) over all exposures. Most exposures have R = 0."""
        self.head.start_at(moments.rate * moments.log_revenue_mean)

    def forward(self, features: Features) -> Tensor:
        """The predicted mean of log(1 + R) of each pair."""
        output: Tensor = self.head(self.trunk(self.embedding(features)))
        return output

    def loss(self, output: Tensor, labels: Labels) -> Tensor:
        """Squared error of log(1 + R)."""
        return (output - torch.log1p(labels.revenue)) ** 2

    def predict(self, output: Tensor) -> Prediction:
        """Expected revenue E = exp(y) - 1."""
        mean = output.double()
        return Prediction(expected_revenue=torch.expm1(mean), log10_revenue=mean / math.log(10.0))


MODEL = Model(DnnR, unit="money", heads=("log10_revenue",))

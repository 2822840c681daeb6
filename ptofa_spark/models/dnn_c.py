"""DNN-C, a deep neural network that predicts only p_c, the probability of a conversion."""

from __future__ import annotations

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.likelihoods import conversion_nll
from ptofa_spark.models.parts.embedding import FeatureEmbedding
from ptofa_spark.models.parts.heads import LabelMoments, ScalarHead, logit
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import Prediction, RevenueModel
from ptofa_spark.models.parts.trunk import Trunk
from ptofa_spark.models.settings import ModelSettings


class DnnC(RevenueModel[Tensor]):
    """Outputs the logit of p_c. The allocator gets p_c, in conversions, not in money."""

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__(layout, settings)
        self.embedding = FeatureEmbedding(layout, settings.embedding_dim)
        self.trunk = Trunk(self.embedding.widths, settings)
        self.head = ScalarHead(self.trunk.width)

    def start_at(self, moments: LabelMoments) -> None:
        """Starts p_c at the conversion rate."""
        self.head.start_at(logit(moments.rate))

    def forward(self, features: Features) -> Tensor:
        """The logit of p_c of each pair."""
        output: Tensor = self.head(self.trunk(self.embedding(features)))
        return output

    def loss(self, output: Tensor, labels: Labels) -> Tensor:
        """Binary cross-entropy of the conversion."""
        return conversion_nll(output, labels.conversion)

    def predict(self, output: Tensor) -> Prediction:
        """Expected revenue E = p_c, in conversions."""
        p_c = torch.sigmoid(output.double())
        return Prediction(expected_revenue=p_c, p_c=p_c)


MODEL = Model(DnnC, unit="conversions", heads=("p_c",))

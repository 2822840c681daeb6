"""The paper's model, of PTOFA (Predict-Then-Optimize Fund Allocation): one trunk, three heads, the loss of equation 6.

p_c is the probability of a conversion. mu and sigma are the mean and the standard deviation of its log revenue.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.likelihoods import entire_space_nll
from ptofa_spark.models.parts.embedding import FeatureEmbedding
from ptofa_spark.models.parts.heads import LabelMoments, LogNormalHead, LogNormalOutput
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import Prediction, RevenueModel, lognormal_prediction
from ptofa_spark.models.parts.trunk import Trunk
from ptofa_spark.models.settings import ModelSettings


class Ptofa(RevenueModel[LogNormalOutput]):
    """Predicts p_c, mu and sigma of each pair. The allocator gets p_c * exp(mu + sigma^2 / 2)."""

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__(layout, settings)
        self.embedding = FeatureEmbedding(layout, settings.embedding_dim)
        self.trunk = Trunk(self.embedding.widths, settings)
        self.head = LogNormalHead(self.trunk.width, settings.sigma_min, settings.sigma_max)

    def start_at(self, moments: LabelMoments) -> None:
        """Starts p_c at the conversion rate, and mu and sigma at the moments of log revenue."""
        self.head.start_at(moments)

    def forward(self, features: Features) -> LogNormalOutput:
        """The logit of p_c, mu and sigma of each pair."""
        output: LogNormalOutput = self.head(self.trunk(self.embedding(features)))
        return output

    def loss(self, output: LogNormalOutput, labels: Labels) -> Tensor:
        """The entire-space counterfactual loss of each example (paper, equation 6)."""
        return entire_space_nll(
            output.logit, output.mu, output.sigma, labels.revenue, self.settings.eps, self.settings.counterfactual
        )

    def predict(self, output: LogNormalOutput) -> Prediction:
        """Expected revenue E = p_c * exp(mu + sigma^2 / 2)."""
        return lognormal_prediction(torch.sigmoid(output.logit.double()), output.mu, output.sigma)


MODEL = Model(Ptofa, unit="money", heads=("p_c", "mu", "sigma", "log10_revenue"))

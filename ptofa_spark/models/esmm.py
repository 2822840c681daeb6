"""ESMM, the entire-space multi-task model: it predicts clicks and conversions, fitted on all exposures (Ma, 2018).

CTR is the click-through rate, CVR the rate of conversions after a click, and p_c = CTR * CVR the conversion rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.likelihoods import conversion_nll, product_nll
from ptofa_spark.models.parts.embedding import FeatureEmbedding
from ptofa_spark.models.parts.heads import LabelMoments, ScalarHead, logit
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import Prediction, RevenueModel
from ptofa_spark.models.parts.trunk import Trunk
from ptofa_spark.models.settings import ModelSettings


@dataclass(frozen=True)
class ClickAndConversion:
    """Logits of a click, and of a conversion after a click; each (...)."""

    click: Tensor
    conversion: Tensor


class Esmm(RevenueModel[ClickAndConversion]):
    """Two trunks over one embedding predict CTR and CVR. The allocator gets CTR * CVR, in conversions, not in money."""

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__(layout, settings)
        self.embedding = FeatureEmbedding(layout, settings.embedding_dim)
        self.click_trunk = Trunk(self.embedding.widths, settings)
        self.conversion_trunk = Trunk(self.embedding.widths, settings)
        self.click, self.conversion = ScalarHead(self.click_trunk.width), ScalarHead(self.click_trunk.width)

    def start_at(self, moments: LabelMoments) -> None:
        """Starts CTR at the click rate and CTR * CVR at the conversion rate."""
        self.click.start_at(logit(moments.click_rate))
        self.conversion.start_at(logit(min(moments.rate / moments.click_rate, 0.999)))

    def forward(self, features: Features) -> ClickAndConversion:
        """Both logits of each pair."""
        embedded = self.embedding(features)
        return ClickAndConversion(
            self.click(self.click_trunk(embedded)), self.conversion(self.conversion_trunk(embedded))
        )

    def loss(self, output: ClickAndConversion, labels: Labels) -> Tensor:
        """Cross-entropy of the click, plus that of the conversion with probability CTR * CVR, both on all exposures."""
        clicked = conversion_nll(output.click, labels.click)
        return clicked + product_nll(output.click, output.conversion, labels.conversion)

    def predict(self, output: ClickAndConversion) -> Prediction:
        """Expected revenue E = CTR * CVR, in conversions."""
        p_c = torch.sigmoid(output.click.double()) * torch.sigmoid(output.conversion.double())
        return Prediction(expected_revenue=p_c, p_c=p_c)


MODEL = Model(Esmm, unit="conversions", heads=("p_c",))

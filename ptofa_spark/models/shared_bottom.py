"""Shared-Bottom: one trunk for both tasks (Caruana, 1997)."""

from __future__ import annotations

from torch import Tensor

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.parts.embedding import FeatureEmbedding
from ptofa_spark.models.parts.heads import LabelMoments, ScalarHead, logit
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import Prediction, RevenueModel
from ptofa_spark.models.parts.trunk import Trunk
from ptofa_spark.models.parts.two_tasks import TwoTasks, conversions_loss, two_task_prediction
from ptofa_spark.models.settings import ModelSettings


class SharedBottom(RevenueModel[TwoTasks]):
    """Predicts p_c, the probability of a conversion, and r, its revenue. The allocator gets p_c * r."""

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__(layout, settings)
        self.embedding = FeatureEmbedding(layout, settings.embedding_dim)
        self.trunk = Trunk(self.embedding.widths, settings)
        self.conversion, self.revenue = ScalarHead(self.trunk.width), ScalarHead(self.trunk.width)

    def start_at(self, moments: LabelMoments) -> None:
        """Starts p_c at the conversion rate and r at the mean of log revenue."""
        self.conversion.start_at(logit(moments.rate))
        self.revenue.start_at(moments.log_revenue_mean)

    def forward(self, features: Features) -> TwoTasks:
        """The outputs of both tasks for each pair."""
        hidden = self.trunk(self.embedding(features))
        return TwoTasks(self.conversion(hidden), self.revenue(hidden))

    def loss(self, output: TwoTasks, labels: Labels) -> Tensor:
        """Cross-entropy of the conversion, plus the squared error of log(1 + revenue) on conversions."""
        return conversions_loss(output, labels)

    def predict(self, output: TwoTasks) -> Prediction:
        """Expected revenue E = p_c * r."""
        return two_task_prediction(output)


MODEL = Model(SharedBottom, unit="money", heads=("p_c", "log10_revenue"))

"""MMoE, multi-gate mixture of experts: each task mixes the same experts by its own softmax gate (Ma et al., 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.parts.embedding import BlockLinear, FeatureEmbedding
from ptofa_spark.models.parts.heads import LabelMoments, ScalarHead, logit
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import Prediction, RevenueModel
from ptofa_spark.models.parts.trunk import Trunk
from ptofa_spark.models.parts.two_tasks import TwoTasks, conversions_loss, two_task_prediction
from ptofa_spark.models.settings import ModelSettings

EXPERTS = 4


class Mmoe(RevenueModel[TwoTasks]):
    """Predicts p_c, the probability of a conversion, and r, its revenue. The allocator gets p_c * r."""

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__(layout, settings)
        self.embedding = FeatureEmbedding(layout, settings.embedding_dim)
        widths = self.embedding.widths
        self.experts = nn.ModuleList(Trunk(widths, settings) for _ in range(EXPERTS))
        self.gates = nn.ModuleList(BlockLinear(widths, EXPERTS) for _ in range(2))
        width = settings.hidden_widths[-1]
        self.conversion, self.revenue = ScalarHead(width), ScalarHead(width)

    def start_at(self, moments: LabelMoments) -> None:
        """Starts p_c at the conversion rate and r at the mean of log revenue."""
        self.conversion.start_at(logit(moments.rate))
        self.revenue.start_at(moments.log_revenue_mean)

    def forward(self, features: Features) -> TwoTasks:
        """The outputs of both tasks for each pair, each task from its own mixture of the experts."""
        embedded = self.embedding(features)
        said = torch.stack([expert(embedded) for expert in self.experts], dim=-1)
        mixed = [(said * torch.softmax(gate(embedded), dim=-1).unsqueeze(-2)).sum(dim=-1) for gate in self.gates]
        return TwoTasks(self.conversion(mixed[0]), self.revenue(mixed[1]))

    def loss(self, output: TwoTasks, labels: Labels) -> Tensor:
        """Cross-entropy of the conversion, plus the squared error of log(1 + revenue) on conversions."""
        return conversions_loss(output, labels)

    def predict(self, output: TwoTasks) -> Prediction:
        """Expected revenue E = p_c * r."""
        return two_task_prediction(output)


MODEL = Model(Mmoe, unit="money", heads=("p_c", "log10_revenue"))

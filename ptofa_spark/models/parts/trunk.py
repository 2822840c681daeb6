"""The hidden layers between the embedding and the heads."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from ptofa_spark.models.parts.embedding import BlockLinear, Embedded
from ptofa_spark.models.settings import ModelSettings


class Trunk(nn.Module):
    """A perceptron of the settings' widths, with rectified units and dropout after each layer."""

    def __init__(self, widths: tuple[int, int, int], settings: ModelSettings) -> None:
        """widths: those of the embedding's blocks."""
        super().__init__()
        hidden = settings.hidden_widths
        self.width = hidden[-1]
        self.first = BlockLinear(widths, hidden[0])
        layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(settings.dropout)]
        for before, after in itertools.pairwise(hidden):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(settings.dropout)]
        self.rest = nn.Sequential(*layers)

    def forward(self, embedded: Embedded) -> Tensor:
        """Blocks of (..., width) to (..., the last hidden width)."""
        hidden: Tensor = self.rest(self.first(embedded))
        return hidden

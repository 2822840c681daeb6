"""The hidden layers between the embedding and the heads."""

from __future__ import annotations

from torch import Tensor, nn

from ptofa_spark.models.embedding import BlockLinear, Embedded

HIDDEN = (128, 64)


class Trunk(nn.Module):
    """A perceptron 128-64 with rectified units and dropout after each layer."""

    def __init__(self, widths: tuple[int, int, int], dropout: float) -> None:
        super().__init__()
        self.first = BlockLinear(widths, HIDDEN[0])
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN[0], HIDDEN[1]), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, embedded: Embedded) -> Tensor:
        """Blocks of (..., width) to (..., 64)."""
        hidden: Tensor = self.rest(self.first(embedded))
        return hidden

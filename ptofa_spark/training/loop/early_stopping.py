"""Decides when training stops, and keeps the weights with the best validation loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class EarlyStopping:
    """Tracks the validation loss of each epoch. patience: epochs without a better loss before training stops."""

    patience: int
    best_loss: float = float("inf")
    best_epoch: int = -1
    last_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def enough(self) -> bool:
        """Whether none of the last `patience` epochs had a better loss."""
        return self.last_epoch - self.best_epoch >= self.patience

    def note(self, epoch: int, loss: float, model: nn.Module) -> None:
        """Records the epoch's loss, and copies the weights if it is the best so far."""
        self.last_epoch = epoch
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best_weights = {name: weight.detach().cpu().clone() for name, weight in model.state_dict().items()}

"""When to stop, and which weights to keep: the ones of the best validation loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class EarlyStopping:
    """Watches the validation loss of each epoch. patience: epochs without a better one before it is enough."""

    patience: int
    best_loss: float = float("inf")
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def enough(self, epoch: int, loss: float, model: nn.Module) -> bool:
        """Notes the epoch's loss, copies the weights if it is the best so far, and says whether to stop."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best_weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
        return epoch - self.best_epoch >= self.patience

"""How far a training run has come."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: mean losses an example, examples trained on, seconds of training and of validation.

    waited: the share of the training seconds in which the trainer had no batch.
    """

    number: int
    train_loss: float
    validation_loss: float
    rows: int
    seconds: float
    waited: float


@dataclass
class Progress:
    """Where a run stands: in epoch `epoch`, of which `steps` steps are done.

    loss, rows: sum of the losses and number of the rows that this process has trained on in the epoch.
    """

    epoch: int = 0
    steps: int = 0
    loss: float = 0.0
    rows: int = 0
    history: list[Epoch] = field(default_factory=list)

    def end_epoch(self, epoch: Epoch) -> None:
        """Keeps the epoch and goes to the next."""
        self.history.append(epoch)
        self.epoch, self.steps, self.loss, self.rows = self.epoch + 1, 0, 0.0, 0

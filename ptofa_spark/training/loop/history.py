"""The progress of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Epoch:
    """Figures of a finished epoch.

    train_loss, validation_loss: mean per example; rows: examples trained on; seconds: training and validation together;
    waited: the share of the training time in which the trainer waited for a batch.
    """

    number: int
    train_loss: float
    validation_loss: float
    rows: int
    seconds: float
    waited: float


@dataclass
class Progress:
    """The state of a run: it is in epoch `epoch` and has done `steps` steps of it.

    loss, rows: sum of the losses and number of the rows that this process has trained on in the epoch; history: the
    finished epochs.
    """

    epoch: int = 0
    steps: int = 0
    loss: float = 0.0
    rows: int = 0
    history: list[Epoch] = field(default_factory=list)

    def end_epoch(self, epoch: Epoch) -> None:
        """Adds the epoch to the history and starts the next one."""
        self.history.append(epoch)
        self.epoch, self.steps, self.loss, self.rows = self.epoch + 1, 0, 0.0, 0

"""The grid of learning rates and dropouts. The validation loss selects the best point (paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from ptofa_spark.config import validated
from ptofa_spark.errors import DivergedError, UserError
from ptofa_spark.running.progress import stage
from ptofa_spark.training.loop.trainer import Fitted
from ptofa_spark.training.settings import TrainSettings


@dataclass(frozen=True)
class GridPoint:
    """One run of the grid. validation_loss: of its best epoch, None if the loss diverged."""

    learning_rate: float
    dropout: float
    validation_loss: float | None
    epochs: int


@dataclass(frozen=True)
class Chosen:
    """The best run. settings: those it was trained with; grid: all points that were tried, empty without a grid."""

    settings: TrainSettings
    fitted: Fitted
    grid: tuple[GridPoint, ...]


def best_of_grid(settings: TrainSettings, run: Callable[[TrainSettings], Fitted]) -> Chosen:
    """Trains at every point of the grid and keeps the point with the lowest validation loss, the first of equals.

    Raises:
        ConfigError: the grid holds a value that `train` rejects.
        UserError: the loss diverged at every point. Also if a run fails for another reason, which ends the grid.
    """
    if not settings.grid:
        return Chosen(settings, run(settings), ())
    points: list[GridPoint] = []
    best: tuple[float, TrainSettings, Fitted] | None = None
    for point in _points(settings):
        with stage("grid", learning_rate=point.learning_rate, dropout=point.dropout) as report:
            try:
                fitted = run(point)
            except DivergedError as error:
                report.counts["diverged"] = error
                points.append(GridPoint(point.learning_rate, point.dropout, None, 0))
                continue
            loss = fitted.history[fitted.best_epoch].validation_loss
            report.counts["validation_loss"] = f"{loss:.6f}"
        points.append(GridPoint(point.learning_rate, point.dropout, loss, len(fitted.history)))
        if best is None or loss < best[0]:
            best = loss, point, fitted
    if best is None:
        raise UserError("the loss diverged at every point of the grid: give lower values of grid_learning_rates")
    return Chosen(best[1], best[2], tuple(points))


def _points(settings: TrainSettings) -> list[TrainSettings]:
    given = settings.model_dump()
    rates, dropouts = settings.grid_learning_rates.split(","), settings.grid_dropouts.split(",")
    return [
        validated(TrainSettings, given | {"learning_rate": rate, "dropout": dropout}, "train")
        for rate, dropout in product(rates, dropouts)
    ]

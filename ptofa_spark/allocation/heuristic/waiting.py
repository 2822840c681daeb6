"""The users who wait while a sweep goes on: those whom its steps have left without a fund."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Self, TypeVar

from ptofa_spark.allocation.plan.steps import Step, without_a_fund
from ptofa_spark.allocation.scores.score_table import ScoreTable

AnyStep = TypeVar("AnyStep", bound=Step)


class Waiting(Generic[AnyStep]):
    """The steps so far, and the score table of the users who are left; served users are dropped now and then.

    steps: all of them; score_table: of the users left when users were last dropped; done: the steps since then.
    """

    def __init__(self, score_table: ScoreTable, k: int) -> None:
        self.steps: list[AnyStep] = []
        self.score_table = score_table
        self._k = k
        self._dropped = 0
        self._kept: list[ScoreTable] = []  # the newest two: the last is made of the one before

    @property
    def done(self) -> list[AnyStep]:
        """Steps that a pass still has to replay."""
        return self.steps[self._dropped :]

    def add(self, step: AnyStep) -> None:
        """One more step has ended."""
        self.steps.append(step)

    def drop_served(self) -> None:
        """Leaves out the users served so far, if there is enough to gain by it."""
        if len(self.done) >= self.score_table.trim_after:
            self.score_table = self.score_table.only(without_a_fund(self.done, self._k))
            self._kept.append(self.score_table)
            if len(self._kept) > 2:  # many passes have been made since over the users that the oldest gave
                self._kept.pop(0).release()
            self._dropped = len(self.steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for score_table in self._kept:
            score_table.release()

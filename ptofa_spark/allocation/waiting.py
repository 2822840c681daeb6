"""The users who wait while a sweep goes on: those whom its steps have left without a fund."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Self, TypeVar

from ptofa_spark.allocation.passes import Passes
from ptofa_spark.allocation.steps import Step

AnyStep = TypeVar("AnyStep", bound=Step)


class Waiting(Generic[AnyStep]):
    """The steps so far and the passes over who is left; served users are dropped now and then, not replayed for ever.

    steps: all steps so far; passes: over the users that were left when users were last dropped; done: the steps since.
    """

    def __init__(self, passes: Passes, k: int) -> None:
        self.steps: list[AnyStep] = []
        self.passes = passes
        self._k = k
        self._dropped = 0
        self._kept: list[Passes] = []  # the newest two: the last is made of the one before

    @property
    def done(self) -> list[AnyStep]:
        """Steps that a pass still has to replay."""
        return self.steps[self._dropped :]

    def add(self, step: AnyStep) -> None:
        """One more step has ended."""
        self.steps.append(step)

    def drop_served(self) -> None:
        """Leaves out the users served so far, if there is enough to gain by it."""
        if len(self.done) >= self.passes.trim_after:
            self.passes = self.passes.left_after(self.done, self._k)
            self._kept.append(self.passes)
            if len(self._kept) > 2:  # many passes have been made since over the users that the oldest gave
                self._kept.pop(0).release()
            self._dropped = len(self.steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for passes in self._kept:
            passes.release()

"""What an allocation method is: what it is given, what it leaves, and what it promises.

Each method stands in a module of its own, as `METHOD`, and has one line in `settings.METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame

from ptofa_spark.allocation.plan.steps import Step
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.marks import Clip, Marks
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.reproducible.exact_sums import grid_exponents


@dataclass(frozen=True)
class Asked:
    """What a method is given.

    problem: feasible if the method keeps every demand; score_table: the scores as they are; largest: (funds,), largest
    |E| of an eligible pair, money; exposures: the log that the method names, if any; marks: those of the scores.
    """

    problem: AllocationProblem
    score_table: ScoreTable
    largest: Floats
    settings: AllocateSettings
    exposures: DataFrame | None = None
    marks: Marks | None = None

    @property
    def grid(self) -> Ints:
        """(funds,), exponents of the grids on which sums of scores are the same in any order."""
        return grid_exponents(self.largest, self.problem.users)

    @property
    def clip(self) -> Clip | None:
        """What a solver sees of the scores where there are marks."""
        return None if self.marks is None else self.marks.clip

    @property
    def seen(self) -> ScoreTable:
        """The scores as a solver sees them."""
        return self.score_table if self.clip is None else self.score_table.clipped(self.clip)


@dataclass(frozen=True)
class Solved:
    """What a method found.

    allocated_by: the method that made the plan, HA where `exact` did not get there; steps: the plan; alpha: (funds,),
    HA's first; prices: (network funds,), money, where the method has some; clip: what the steps see of the scores,
    where there are marks; files: of the report, by name, what a later run may read.
    """

    allocated_by: str
    steps: tuple[Step, ...]
    alpha: Floats | None = None
    prices: Floats | None = None
    clip: Clip | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def _yes(_: AllocateSettings) -> bool:
    return True


def _no(_: AllocateSettings) -> bool:
    return False


def _no_log(_: AllocateSettings) -> str | None:
    return None


@dataclass(frozen=True)
class Method:
    """A method.

    allocate: the method itself; it raises `UserError` where the instance is too large for it. steps: what its plan may
    hold. keeps_every_demand: whether it promises C1 and C2 on every feasible problem; the others report what they
    miss. adds_up_revenues: whether sums of all revenues decide what it does, so that one mark would rule them. log: the
    table of exposures that it reads. files: what it may leave in the report.
    """

    allocate: Callable[[Asked], Solved]
    steps: tuple[type[Step], ...]
    keeps_every_demand: Callable[[AllocateSettings], bool] = _yes
    adds_up_revenues: Callable[[AllocateSettings], bool] = _no
    log: Callable[[AllocateSettings], str | None] = _no_log
    files: tuple[str, ...] = ()

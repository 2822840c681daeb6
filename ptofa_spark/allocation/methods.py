"""The methods by name: each takes the problem and the score table and leaves an allocation plan behind."""

from __future__ import annotations

from importlib import import_module

from pyspark.sql import DataFrame

from ptofa_spark.allocation.certificate.bound import Certificate, certify
from ptofa_spark.allocation.exact.sample_prices import price_sample
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.plan.steps import Step
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.problem.feasibility import is_feasible
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.marked_pairs import WAYS_OUT, a_marked_pair
from ptofa_spark.allocation.scores.marks import Marks
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.settings import METHODS, AllocateSettings
from ptofa_spark.arrays import Floats
from ptofa_spark.errors import TableError


def method_of(name: str) -> Method:
    """The method of that name in `settings.METHODS`."""
    method: Method = import_module(f"ptofa_spark.allocation.{METHODS[name].module}").METHOD
    return method


def all_steps() -> tuple[type[Step], ...]:
    """What a plan may hold, whatever method left it."""
    return tuple(dict.fromkeys(step for name in METHODS for step in method_of(name).steps))


def all_files() -> tuple[str, ...]:
    """What the methods may leave in a report."""
    return tuple(dict.fromkeys(file for name in METHODS for file in method_of(name).files))


def solve(
    problem: AllocationProblem,
    score_table: ScoreTable,
    largest: Floats,
    settings: AllocateSettings,
    exposures: DataFrame | None = None,
    marks: Marks | None = None,
) -> Solved:
    """Allocates by the method of the settings; for the arguments see `Asked`.

    Raises:
        UserError: the instance is too large for the method, or the method cannot be right beside marks.
    """
    method = method_of(settings.method)
    if marks is not None and method.adds_up_revenues(settings):
        raise TableError(
            f"table {settings.scores}: {a_marked_pair(score_table, marks, problem.funds.ids)}, and method "
            f"{settings.method} adds them up: {WAYS_OUT}, or --method exact"
        )
    return method.allocate(Asked(problem, score_table, largest, settings, exposures, marks))


def certificate(
    problem: AllocationProblem,
    score_table: ScoreTable,
    solved: Solved,
    largest: Floats,
    settings: AllocateSettings,
    marks: Marks | None = None,
) -> Certificate | None:
    """The bound, the gap and the prices of what a method found, by prices of its own or of a sample.

    None where no allocation is feasible, so that there is no optimum to compare with (`manual` runs all the same).

    Args:
        problem: the problem.
        score_table: the score table.
        solved: what the method found.
        largest: (funds,), largest |E| of an eligible pair, money.
        settings: what was asked for.
        marks: the marks among the scores, if any.
    """
    if not is_feasible(problem):
        return None
    rule = choice_rule(problem)
    prices = solved.prices
    if prices is None:
        seen = score_table if marks is None else score_table.clipped(marks.clip)
        prices = price_sample(rule, seen, settings.seed, settings.max_core_pairs).prices
    return certify(rule, score_table, solved.steps, prices, float(largest.max(initial=0.0)), marks, solved.clip)

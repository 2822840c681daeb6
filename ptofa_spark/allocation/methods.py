"""The methods by name: each takes the problem and the score table and leaves an allocation plan behind."""

from __future__ import annotations

from ptofa_spark.allocation.certificate.bound import Account
from ptofa_spark.allocation.exact.sample_prices import price_sample
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.plan.steps import Step
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.problem.feasibility import is_feasible
from ptofa_spark.allocation.scores.marked_pairs import WAYS_OUT, a_marked_pair
from ptofa_spark.allocation.settings import METHODS
from ptofa_spark.errors import TableError


def method_of(name: str) -> Method:
    """The method of that name in `settings.METHODS`."""
    return METHODS.load(name, Method)


def all_steps() -> tuple[type[Step], ...]:
    """What a plan may hold, whatever method left it."""
    return tuple(dict.fromkeys(step for name in METHODS for step in method_of(name).steps))


def all_files() -> tuple[str, ...]:
    """What the methods may leave in a report."""
    return tuple(dict.fromkeys(file for name in METHODS for file in method_of(name).files))


def solve(asked: Asked) -> Solved:
    """Allocates by the method of the settings.

    Raises:
        UserError: the instance is too large for the method, or the method cannot be right beside marks.
    """
    settings = asked.settings
    method = method_of(settings.method)
    if asked.marks is not None and method.adds_up_revenues(settings):
        raise TableError(
            f"table {settings.scores}: {a_marked_pair(asked.score_table, asked.marks, asked.problem.funds.ids)}, and "
            f"method {settings.method} adds them up: {WAYS_OUT}, or --method exact"
        )
    return method.allocate(asked)


def account_of(asked: Asked, solved: Solved) -> Account | None:
    """What the bound and the gap of a found allocation are computed from, by prices of its own or of a sample.

    None where no allocation is feasible, so that there is no optimum to compare with (`manual` runs all the same).

    Args:
        asked: what the method was given.
        solved: what it found.
    """
    if not is_feasible(asked.problem):
        return None
    rule = choice_rule(asked.problem)
    prices = solved.prices
    if prices is None:
        prices = price_sample(rule, asked.seen, asked.settings.seed, asked.settings.max_core_pairs).prices
    return Account.of(rule, asked.problem.users, prices, float(asked.largest.max(initial=0.0)), asked.marks)

"""What the objective becomes if a demand moves, a fund is dropped or K changes, without allocating again.

Every change is a problem of its own. Prices of a sample make the Lagrangian bound of `certificate` nearly tight, and
one pass over the users computes it: no allocation of the changed problem is worth more, and the optimum lies just
below. Beside it stands what today's prices say by themselves, which is right for small changes: an exposure moved from
fund f to fund g changes the objective by price_g - price_f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from ptofa_spark.allocation.certificate.bound import Account, certify
from ptofa_spark.allocation.exact.sample_prices import price_sample
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.problem.demand_modes import Campaign, fitted
from ptofa_spark.allocation.problem.feasibility import explain, is_feasible
from ptofa_spark.allocation.scores.marked_pairs import MarkedScores, a_marked_pair, marked_scores
from ptofa_spark.allocation.scores.reading.account import require_scored
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.allocation.scores.score_table import ScoreTable, score_table_of
from ptofa_spark.allocation.what_if.changes import changed, read_changes
from ptofa_spark.allocation.what_if.settings import WhatIfSettings
from ptofa_spark.arrays import Floats
from ptofa_spark.errors import InfeasibleError, TableError
from ptofa_spark.running import progress
from ptofa_spark.running.whole_file import write_json
from ptofa_spark.tables.delta.pinned import PinnedTables

WHAT_IF_JSON = "what_if.json"
TODAY = "today"


@dataclass(frozen=True)
class Outlook:
    """One change, as in `what_if.json`.

    at_most: money, no allocation of the changed problem is worth more, None where there is none, and `reason` says why;
    by_prices: money, today's bound moved along today's prices, None where K changes; prices: by fund, of the changed
    problem.
    """

    change: str
    at_most: float | None
    by_prices: float | None
    prices: dict[str, float]
    reason: str | None


def what_if(spark: SparkSession, settings: WhatIfSettings) -> list[Outlook]:
    """Today's problem and every change of it; writes `report/what_if.json`.

    Raises:
        ConfigError: a change cannot be read, or names a fund that the campaign has not.
        UserError: an input breaks its contract, today's problem is infeasible, or marked pairs would rule the bounds.
    """
    with progress.stage("what-if", k=settings.k, mode=settings.demand_mode) as report:
        tables = PinnedTables(spark, csv=settings.csv_form())
        tables.pin(settings.scores, settings.funds, settings.demands)
        campaign, funds = read_campaign_funds(tables, settings.funds, settings.demands, settings.campaign_id)
        asked = read_changes(settings.changes, funds.ids)
        look = Look(settings.driver_users, settings.max_classes, settings.seed)
        scores = read_scores(tables, settings.scores, campaign, funds, look)
        try:
            marked = marked_scores(scores, funds, settings.marked_pairs, look)
            if not settings.allow_unscored:
                require_scored(scores.read, funds, marked.profile.scored)
            classes = marked.profile.classes
            today = fitted(Campaign(campaign, settings.k, settings.demand_mode, funds, classes))
            score_table = score_table_of(marked.scores, funds.risk_levels, classes, marked.profile.drawn)
            outlooks = _outlooks(today, asked, score_table, marked, settings)
        finally:
            scores.release()
        path = Path(settings.report) / WHAT_IF_JSON
        write_json(path, [asdict(each) for each in outlooks])
        report.counts |= {"changes": len(asked), "report": str(path)}
    return outlooks


def _outlooks(
    today: Campaign,
    asked: Sequence[str],
    score_table: ScoreTable,
    marked: MarkedScores,
    settings: WhatIfSettings,
) -> list[Outlook]:
    first, base, prices = _outlook(TODAY, today, score_table, marked, settings, None)
    if base is None:
        raise InfeasibleError(f"today's demands cannot be met, so no change can be compared: {first.reason}")
    outlooks = [first]
    for change in asked:
        by_prices = None
        try:
            other = changed(today, change)
        except InfeasibleError as error:
            outlooks.append(Outlook(change, None, None, {}, str(error)))
            continue
        if other.k == today.k:
            moved = other.funds.demand - today.funds.demand
            by_prices = base + float(prices @ moved)
        outlooks.append(_outlook(change, other, score_table, marked, settings, by_prices)[0])
    return outlooks


def _outlook(
    change: str,
    campaign: Campaign,
    score_table: ScoreTable,
    marked: MarkedScores,
    settings: WhatIfSettings,
    by_prices: float | None,
) -> tuple[Outlook, float | None, Floats]:
    """The outlook, its bound, and the funds' prices."""
    problem, marks = campaign.problem(), marked.marks
    no_prices = np.zeros(len(problem.funds))
    if not is_feasible(problem):
        return Outlook(change, None, by_prices, {}, explain(problem).reason), None, no_prices
    rule = choice_rule(problem)
    seen = score_table if marks is None else score_table.clipped(marks.clip)
    sampled = price_sample(rule, seen, settings.seed, settings.max_core_pairs)
    largest = float(marked.profile.largest.max(initial=0.0))
    bound = certify(Account.of(rule, problem.users, sampled.prices, largest, marks), score_table, ())
    if marks is not None and bound.marks_in_bound:
        raise TableError(
            f"table {settings.scores}: {a_marked_pair(score_table, marks, problem.funds.ids)}, and such "
            "pairs would rule what is compared: use null for a pair that must not be, or the revenue that a pair brings"
        )
    by_fund = dict(zip(problem.funds.ids, bound.prices.tolist(), strict=True))
    return Outlook(change, bound.upper_bound, by_prices, by_fund, None), bound.upper_bound, bound.prices

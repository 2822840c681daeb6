"""Table 2 as a Markdown page: our arms and the paper's."""

from __future__ import annotations

from collections.abc import Sequence

from ptofa_spark.evaluation.bootstrap import Interval
from ptofa_spark.evaluation.shown_table import Table
from ptofa_spark.evaluation.table_2.arm_result import ArmResult

# Name of the page.
TABLE_2 = "table_2.md"
# Table 2 of the paper: period, predictor, optimiser, CPME, RPME, lifts of CPME and RPME within the period.
PAPER = (
    ("P1", "ESMM", "Manual", "2.69", "14,901", "", ""),
    ("P1", "ESMM", "HA", "2.88", "13,492", "+7.06 %", "-9.46 %"),
    ("P2", "ESMM", "HA", "2.05", "7,359", "", ""),
    ("P2", "PTOFA", "HA", "2.55", "10,048", "+24.39 %", "+36.54 %"),
    ("P3", "ESMM", "Manual", "3.39", "16,608", "", ""),
    ("P3", "PTOFA", "HA", "4.29", "25,558", "+26.54 %", "+53.89 %"),
)
_HEAD = (
    "arm", "users", "not served", "conversions", "CPME", "RPME", "lift of CPME", "lift of RPME", "expected CPME",
    "expected RPME", "regret", "of prediction", "of optimisation",
)  # fmt: skip
_PAPER_HEAD = ("period", "predict", "optimise", "CPME", "RPME", "lift of CPME", "lift of RPME")


def table_2_page(arms: Sequence[ArmResult]) -> str:
    """The page."""
    ours, papers = table_2_tables(arms)
    lines = ["# Table 2", "", ours.note, "", *ours.markdown(), "", papers.note, "", *papers.markdown()]
    return "\n".join(lines) + "\n"


def table_2_tables(arms: Sequence[ArmResult]) -> tuple[Table, Table]:
    """Our arms and the paper's."""
    ours = Table("Table 2", _note(arms[0].k), _HEAD, tuple(_cells(arm) for arm in arms))
    return ours, Table("Table 2", "The paper's online test:", _PAPER_HEAD, PAPER)


def _note(k: int | None) -> str:
    """An explanation of the columns. k: funds per user (K); None if an earlier version wrote the file without it."""
    slots = "" if k is None else f", funds per user K = {k}"
    return (
        f"A simulated campaign{slots}: a hash puts every user in one arm, and outcomes are drawn from the truth. "
        "Brackets: 95 % intervals, by a bootstrap over users. Lifts are over the first arm. CPME and RPME: conversions "
        "and revenue per mille exposures shown. Users whom an arm leaves without a fund do not lower these rates, but "
        "they raise its regret. Regret: share of revenue under the truth that the arm's allocation loses, compared "
        "with the best one for the same users and demands. Regret of prediction: what the optimal allocation by the "
        "arm's expected revenue loses. Regret of optimisation: what the arm's optimiser loses in addition; it is "
        "negative if the optimiser gains by chance."
    )


def _cells(arm: ArmResult) -> tuple[str, ...]:
    """An arm's cells, under _HEAD."""
    lift = arm.lift
    return (
        arm.name,
        f"{arm.users:,}",
        f"{arm.users - arm.users_served:,}",
        f"{arm.conversions:,}",
        str(arm.drawn.cpme),
        str(arm.drawn.rpme),
        "" if lift is None else _percent(lift.cpme),
        "" if lift is None else _percent(lift.rpme),
        f"{arm.expected.cpme:,.3f}",
        f"{arm.expected.rpme:,.1f}",
        f"{arm.regret:.4f}",
        f"{arm.prediction_regret:.4f}",
        f"{arm.optimisation_regret:.4f}",
    )


def _percent(lift: Interval) -> str:
    return f"{lift.estimate:+.1%} [{lift.low:+.1%}, {lift.high:+.1%}]"

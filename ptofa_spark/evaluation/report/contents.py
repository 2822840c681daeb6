"""The tables, figures and notes that the terminal and the report show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.evaluation.predictions.calibration import CalibrationGroup
from ptofa_spark.evaluation.predictions.intervals import Ends
from ptofa_spark.evaluation.predictions.metrics import FundCalibration, Metrics, Predicted
from ptofa_spark.evaluation.report.figures import (
    calibration_plot,
    demand_and_delivered,
    price_by_fund,
    revenue_by_fund,
    revenue_by_risk,
    score_distribution,
)
from ptofa_spark.evaluation.report.report import Figure
from ptofa_spark.evaluation.report.results import AllocationEvaluation, Evaluation
from ptofa_spark.evaluation.shown_table import Table
from ptofa_spark.running.text_table import text_table

_ALLOCATION_HEAD = (
    "allocation", "objective", "against manual", "gap", "users served", "C1", "C2", "C3", "CPME", "RPME", "measured by",
)  # fmt: skip
_LOGGED_HEAD = (
    "allocation", "CPME less logged", "RPME less logged", "CPME self-normalised", "RPME self-normalised",
    "CPME doubly robust", "RPME doubly robust", "matched conversions", "effective exposures",
)  # fmt: skip
_MODEL_HEAD = (
    "predictor", "AUC", "MSE", "MAE", "MSE money", "MAE money", "Gini", "pred/act conv.", "pred/act rev.", "ECE of p",
)  # fmt: skip
# Format of each figure of a row, in the order of the head.
_FORMS = {
    "auc": ".4f",
    "mse": ".5f",
    "mae": ".5f",
    "mse_money": ".4g",
    "mae_money": ",.3f",
    "gini": "z.4f",
    "conversion_ratio": ".3f",
    "revenue_ratio": ".3f",
    "calibration_error": ".6f",
}
_RATES = "CPME and RPME (conversions and revenue per mille exposures)"
_BY_FUND_HEAD = ("fund", "exposures", "conversions", "predicted", "revenue", "predicted", "pred/act rev.")


def terminal_table(found: Evaluation) -> str:
    """Allocations, predictors and the report's path; intervals are 95 %."""
    parts = [
        text_table(_ALLOCATION_HEAD, _allocation_rows(found.allocations)),
        text_table(_MODEL_HEAD, [_model_row(row) for row in found.metrics]),
    ]
    if any(each.logged for each in found.allocations):
        rows = [_logged_row(each) for each in found.allocations]
        parts += [text_table(_LOGGED_HEAD, rows), power_note(found.conversions)]
    return "\n\n".join([*parts, f"report: {found.report}"])


def report_tables(found: Evaluation) -> list[Table]:
    """The tables of the HTML report."""
    tables = [
        Table(
            "Allocations",
            "Objective: expected revenue by the model. Gap: a certified bound on how much more a feasible allocation "
            "can be worth, relative to the objective. It is shown even for an allocation that breaks a constraint. "
            "Against manual: the relative gain in expected revenue over manual. Manual takes the funds in order of "
            "priority and may leave users without a fund. K: funds per user. C1: users without exactly K funds (mode "
            "partial allows fewer). C2: exposures above or below the demands (mode at-most allows fewer). C3: "
            "exposures of funds riskier than the user's tolerance. " + _measured_note(found),
            _ALLOCATION_HEAD,
            tuple(_allocation_rows(found.allocations)),
        ),
        Table(
            "Predictions on held-out exposures",
            f"{found.exposures:,} exposures with {found.conversions:,} conversions. AUC: area under the ROC curve of "
            "conversion. MSE and MAE: mean squared and mean absolute error of log10(1 + revenue), predicted by its "
            "mean. Most labels are zero, so zero has the lowest MAE. The rows zero and mean are for comparison. "
            "Brackets: 95 % intervals, by a bootstrap over users. Pred/act: sum of predicted divided by sum of actual "
            "values. Less 1, it is the label-mean bias. ECE (expected calibration error): mean distance between "
            "predicted and actual conversion rate, over tenths of the exposures.",
            _MODEL_HEAD,
            tuple(_model_row(row, found.intervals[row.name]) for row in found.metrics),
        ),
        Table("Predictions by fund", "Sums over the held-out exposures.", _BY_FUND_HEAD, _fund_rows(found.by_fund)),
    ]
    if any(each.logged for each in found.allocations):
        tables.append(
            Table(
                "Against the logged policy",
                power_note(found.conversions),
                _LOGGED_HEAD,
                tuple(_logged_row(each) for each in found.allocations),
            )
        )
    tables += [_fund_table(each) for each in found.allocations]
    for title, groups in (
        ("Calibration of conversion, by tenth of the exposures", found.conversion_calibration),
        ("Calibration of revenue, by tenth of the exposures", found.revenue_calibration),
    ):
        rows = tuple((f"{g.exposures:,}", f"{g.predicted:.6g}", f"{g.actual:.6g}") for g in groups)
        if rows:
            tables.append(Table(title, "", ("exposures", "mean predicted", "mean actual"), rows))
    return tables


def report_figures(
    allocations: Mapping[str, AllocationSummary], groups: Sequence[CalibrationGroup], model: Predicted
) -> list[Figure]:
    """The plots of the HTML report. allocations: summaries of one campaign's allocations, by name."""
    return [
        Figure("Demand and delivered exposures of each fund.", demand_and_delivered(allocations), wide=True),
        Figure("Expected revenue of each fund.", revenue_by_fund(allocations), wide=True),
        Figure("Expected revenue of the funds of each risk level.", revenue_by_risk(allocations)),
        *_price_figure(allocations),
        *_model_figures(groups, model),
    ]


def _model_figures(groups: Sequence[CalibrationGroup], model: Predicted) -> Iterator[Figure]:
    """A figure for each quantity that the model predicts: conversion, money or both."""
    if groups:
        yield Figure("Conversion rate, predicted against actual.", calibration_plot(groups, "conversion rate"))
    if model.of_money:
        yield Figure("Predicted expected revenue of the test exposures.", score_distribution(model.revenue))


def _price_figure(allocations: Mapping[str, AllocationSummary]) -> list[Figure]:
    """The prices of the last allocation that has prices. That is the one by `exact`, if it was evaluated."""
    priced = [name for name, each in allocations.items() if any(fund.price is not None for fund in each.funds)]
    if not priced:
        return []
    return [Figure(f"Price of each fund under {priced[-1]}.", price_by_fund(allocations[priced[-1]]))]


def power_note(conversions: int) -> str:
    """How to read the intervals."""
    return (
        f"Intervals are 95 %, by a bootstrap over users. The test exposures hold {conversions:,} conversions. If the "
        "interval of a difference includes 0, these data show no difference between the allocation and the logged "
        "policy. Matched conversions: those whose fund the allocation gives to the same user."
    )


def _measured_note(found: Evaluation) -> str:
    if found.allocations[0].truth is not None:
        return f"{_RATES}: expected values under the simulator's truth."
    if found.allocations[0].logged is not None:
        return f"{_RATES}: estimates by inverse propensity weighting (IPW) from the randomised log."
    return f"{_RATES} cannot be estimated here: the logged exposures were not randomised."


def _allocation_rows(allocations: Sequence[AllocationEvaluation]) -> list[tuple[str, ...]]:
    manual = next((each.summary.objective for each in allocations if each.summary.method == "manual"), None)
    return [_allocation_row(each, manual) for each in allocations]


def _allocation_row(each: AllocationEvaluation, manual: float | None) -> tuple[str, ...]:
    summary, off = each.summary, each.summary.violations
    cpme, rpme, by = "-", "-", "not estimable: log not randomised"
    if each.truth is not None:
        cpme, rpme, by = f"{each.truth.cpme:,.3f}", f"{each.truth.rpme:,.1f}", "truth"
    elif each.logged is not None:
        cpme, rpme, by = str(each.logged.cpme), str(each.logged.rpme), "IPW"
    served = f"{summary.users_served:,} / {summary.users:,}"
    gap = _shown(summary.certified_gap, ".1e")
    violations = (f"{off.c1:,}", f"{off.c2:,}", f"{off.c3:,}")
    gain = "-" if not manual or summary.method == "manual" else f"{summary.objective / manual - 1.0:+.1%}"
    return (each.name, f"{summary.objective:,.2f}", gain, gap, served, *violations, cpme, rpme, by)


def _logged_row(each: AllocationEvaluation) -> tuple[str, ...]:
    logged = each.logged
    if logged is None:
        return (each.name, *["-"] * (len(_LOGGED_HEAD) - 1))
    return (
        each.name,
        str(logged.cpme_difference),
        str(logged.rpme_difference),
        str(logged.self_normalised_cpme),
        str(logged.self_normalised_rpme),
        str(logged.robust_cpme),
        str(logged.robust_rpme),
        f"{logged.conversions:,}",
        f"{logged.effective_exposures:,.0f}",
    )


def _model_row(row: Metrics, intervals: dict[str, Ends] | None = None) -> tuple[str, ...]:
    """A predictor's figures. intervals: of the figures, by name; shown in brackets."""

    def shown(name: str) -> str:
        value, form = getattr(row, name), _FORMS[name]
        ends = (intervals or {}).get(name)
        if value is None or ends is None:
            return _shown(value, form)
        return f"{value:{form}} [{ends.low:{form}}, {ends.high:{form}}]"

    return (row.name, *[shown(name) for name in _FORMS])


def _fund_rows(funds: Sequence[FundCalibration]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            fund.fund_id,
            f"{fund.exposures:,}",
            f"{fund.conversions:,.0f}",
            _shown(fund.predicted_conversions, ",.1f"),
            f"{fund.revenue:,.0f}",
            _shown(fund.predicted_revenue, ",.0f"),
            _shown(
                None if not fund.revenue or fund.predicted_revenue is None else fund.predicted_revenue / fund.revenue,
                ".3f",
            ),
        )
        for fund in funds
    )


def _fund_table(each: AllocationEvaluation) -> Table:
    rows = tuple(
        (
            fund.fund_id,
            str(fund.risk_level),
            f"{fund.demand:,}",
            f"{fund.delivered:,}",
            f"{fund.expected_revenue:,.2f}",
            _shown(fund.alpha, ",.3f"),
            _shown(fund.price, ",.4g"),
        )
        for fund in each.summary.funds
    )
    head = ("fund", "risk level", "demand", "delivered", "expected revenue", "alpha", "price")
    note = (
        "Alpha: consumption speed of the fund (paper, section 3). Price: the money that one more exposure of the fund "
        "would bring, beyond an average exposure, if another fund gave one up."
    )
    return Table(f"Funds under {each.name}", note, head, rows)


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

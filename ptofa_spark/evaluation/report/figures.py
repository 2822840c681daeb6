"""The report's plots, as PNG in data URIs. They are transparent, with colours that are legible on white and black."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from ptofa_spark.allocation.certificate.summary import AllocationSummary, FundSummary
from ptofa_spark.evaluation.predictions.calibration import CalibrationGroup

_INK = "#808890"
_COLOURS = ("#e08a3c", "#3c8fd0", "#54a868", "#a070c8")
_STYLE: Any = {
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _INK,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
}
_WIDE, _HALF = (8.0, 3.4), (4.2, 3.6)


def demand_and_delivered(allocations: Mapping[str, AllocationSummary]) -> str:
    """Demand and delivered exposures of each fund, one bar per allocation."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(_WIDE)
        funds = _funds(allocations)
        place = np.arange(len(funds), dtype=np.float64)
        width = 0.8 / (len(allocations) + 1)
        axes.bar(place, [fund.demand for fund in funds], width, label="demand", color=_INK, alpha=0.5)
        for number, (name, summary) in enumerate(allocations.items()):
            delivered = [fund.delivered for fund in summary.funds]
            axes.bar(place + width * (number + 1), delivered, width, label=name, color=_COLOURS[number % 4])
        _fund_axis(axes, [fund.fund_id for fund in funds], place + width * len(allocations) / 2)
        axes.set_ylabel("exposures")
        axes.yaxis.set_major_formatter(EngFormatter())
        axes.legend(ncols=len(allocations) + 1, loc="lower right", bbox_to_anchor=(1, 1))
        return _data_uri(figure)


def revenue_by_fund(allocations: Mapping[str, AllocationSummary]) -> str:
    """Expected revenue of each fund, one bar per allocation."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(_WIDE)
        funds = _funds(allocations)
        place = np.arange(len(funds), dtype=np.float64)
        width = 0.8 / len(allocations)
        for number, (name, summary) in enumerate(allocations.items()):
            revenue = [fund.expected_revenue for fund in summary.funds]
            axes.bar(place + width * number, revenue, width, label=name, color=_COLOURS[number % 4])
        _fund_axis(axes, [fund.fund_id for fund in funds], place + width * (len(allocations) - 1) / 2)
        axes.set_ylabel("expected revenue")
        axes.yaxis.set_major_formatter(EngFormatter())
        axes.legend(ncols=len(allocations), loc="lower right", bbox_to_anchor=(1, 1))
        return _data_uri(figure)


def revenue_by_risk(allocations: Mapping[str, AllocationSummary]) -> str:
    """Expected revenue of the funds of each risk level, one bar per allocation."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(_HALF)
        levels = sorted({fund.risk_level for fund in _funds(allocations)})
        place = np.arange(len(levels))
        width = 0.8 / len(allocations)
        for number, (name, summary) in enumerate(allocations.items()):
            revenue = [sum(f.expected_revenue for f in summary.funds if f.risk_level == level) for level in levels]
            axes.bar(place + width * number, revenue, width, label=name, color=_COLOURS[number % 4])
        axes.set_xticks(place + width * (len(allocations) - 1) / 2, [str(level) for level in levels])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("risk level of the fund")
        axes.set_ylabel("expected revenue")
        axes.yaxis.set_major_formatter(EngFormatter())
        return _data_uri(figure)


def price_by_fund(summary: AllocationSummary) -> str:
    """The price of each fund: the money that one more exposure of it would bring, beyond an average exposure."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(_HALF)
        funds = [fund for fund in summary.funds if fund.price is not None]
        place = np.arange(len(funds), dtype=np.float64)
        axes.bar(place, [fund.price or 0.0 for fund in funds], 0.6, color=_COLOURS[2])
        axes.axhline(0.0, color=_INK, linewidth=1)
        _fund_axis(axes, [fund.fund_id for fund in funds], place)
        axes.set_ylabel("price of an exposure")
        return _data_uri(figure)


def calibration_plot(groups: Sequence[CalibrationGroup], quantity: str) -> str:
    """Mean predicted and mean actual value, one point per tenth of the exposures. On the line the two are equal."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(_HALF)
        predicted, actual = [group.predicted for group in groups], [group.actual for group in groups]
        top = max([*predicted, *actual, 1e-12])
        axes.plot([0, top], [0, top], color=_INK, linewidth=1, linestyle="--")
        axes.plot(predicted, actual, "o-", color=_COLOURS[1], markersize=5)
        axes.set_xlabel(f"predicted {quantity}")
        axes.set_ylabel(f"actual {quantity}")
        return _data_uri(figure)


def score_distribution(scores: NDArray[np.float64]) -> str:
    """Distribution of the predicted expected revenue of the test exposures, on a log axis."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(_HALF)
        positive = scores[scores > 0]
        if len(positive):
            edges = np.geomspace(positive.min(), max(positive.max(), positive.min() * 1.01), 50)
            axes.hist(positive, bins=edges.tolist(), color=_COLOURS[1], alpha=0.8)
            axes.set_xscale("log")
        axes.set_xlabel("predicted expected revenue of an exposure")
        axes.set_ylabel("test exposures")
        return _data_uri(figure)


def _funds(allocations: Mapping[str, AllocationSummary]) -> tuple[FundSummary, ...]:
    """The campaign's funds, the same in every allocation."""
    return next(iter(allocations.values())).funds


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()


def _fund_axis(axes: Axes, names: list[str], place: NDArray[np.float64]) -> None:
    step = max(1, len(names) // 20)
    axes.set_xticks(place[::step], names[::step], rotation=30 if max(map(len, names)) > 6 else 0, ha="right")
    axes.grid(visible=False, axis="x")


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The machine may have no font for the script of a fund's name. Then the plot shows boxes, but the tables show
        # the name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", dpi=150, transparent=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

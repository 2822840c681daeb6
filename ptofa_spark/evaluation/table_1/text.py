"""Table 1 as a Markdown page: our figures, as mean and standard deviation over the seeds, and the paper's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import mean, stdev

from ptofa_spark.evaluation.shown_table import Table
from ptofa_spark.evaluation.table_1.run import Run

# Name of the page.
TABLE_1 = "table_1.md"
# Table 1 of the paper: AUC, MSE, MAE on LCT-A (promotion) and on LCT-B (recommendation), two private datasets.
PAPER = {
    "esmm": (".8303 - -", ".9270 - -"),
    "dnn_c": (".8237 - -", ".9040 - -"),
    "dnn_r": ("- .0386 .0413", "- .4248 .1369"),
    "shared_bottom": (".8120 .0367 .0323", ".9208 .4265 .1404"),
    "mmoe": (".8205 .0381 .0392", ".9192 .4236 .1436"),
    "ziln": (".8287 .0386 .0426", ".9228 1.7885 .5909"),
    "mtl_mse": (".8276 .0382 .0353", ".9213 .4262 .1446"),
    "ptofa": (".8327 .0362 .0227", ".9313 .4203 .1326"),
}
_HEAD = (
    "model", "seeds", "AUC", "MSE", "MAE", "MAE money", "Gini", "pred/act conv.", "pred/act rev.", "RPME under truth",
    "regret", "paper LCT-A", "paper LCT-B",
)  # fmt: skip
_COLUMNS: tuple[tuple[Callable[[Run], float | None], str], ...] = (
    (lambda run: run.metrics.auc, ".4f"),
    (lambda run: run.metrics.mse, ".5f"),
    (lambda run: run.metrics.mae, ".5f"),
    (lambda run: run.metrics.mae_money, ",.3f"),
    (lambda run: run.metrics.gini, "z.4f"),
    (lambda run: run.metrics.conversion_ratio, ".3f"),
    (lambda run: run.metrics.revenue_ratio, ".3f"),
    (lambda run: run.rpme, ",.1f"),
    (lambda run: run.regret, ".4f"),
)


def table_1_page(runs: Sequence[Run]) -> str:
    """The page: one table per warehouse, and an explanation of the columns."""
    parts = ["# Table 1"]
    for warehouse, table in _by_warehouse(runs):
        parts += ["", f"## {warehouse}", "", *table.markdown()]
    parts += [
        "",
        "AUC: area under the ROC curve of conversion. MSE and MAE: mean squared and mean absolute error of "
        "log10(1 + revenue), predicted by its mean. RPME: revenue per mille exposures, under the simulator's truth, of "
        "the optimal allocation by the model's expected revenue. Regret: share of the oracle's RPME that is lost. The "
        "paper's figures are AUC, MSE and MAE on two private datasets.",
    ]
    return "\n".join(parts) + "\n"


def table_1_tables(runs: Sequence[Run]) -> list[Table]:
    """One table per warehouse, for the report."""
    return [table for _, table in _by_warehouse(runs)]


def _by_warehouse(runs: Sequence[Run]) -> Iterator[tuple[str, Table]]:
    """Tables with one row per predictor. A cell has the mean over the seeds and, of several, their deviation."""
    for warehouse in dict.fromkeys(run.warehouse for run in runs):
        own = [run for run in runs if run.warehouse == warehouse]
        rows = []
        for predictor in dict.fromkeys(run.predictor for run in own):
            of_one = [run for run in own if run.predictor == predictor]
            cells = [_cell([figure(run) for run in of_one], form) for figure, form in _COLUMNS]
            rows.append((predictor, str(len(of_one)), *cells, *PAPER.get(predictor, ("-", "-"))))
        yield warehouse, Table(f"Table 1: {warehouse}", "", _HEAD, tuple(rows))


def _cell(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ± {stdev(known):{form}}" if len(known) > 1 else ""
    return f"{mean(known):{form}}{spread}"

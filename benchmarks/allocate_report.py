"""Figure 4 of the paper and its tables, from the lines that `allocate.py` kept."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("svg")
import matplotlib.pyplot as plt

matplotlib.rcParams["svg.hashsalt"] = "ptofa"  # the same figure gives the same file

_MANY_FUNDS_K = 10  # only the campaign of 200 funds has this K
COLOURS = {"manual": "#999999", "ha": "#d97706", "exact": "#2563eb", "mincostflow": "#059669", "ip": "#b91c1c"}


def figure(rows: pd.DataFrame, place: Path) -> None:
    """Draws objective and seconds by the number of users, as the paper does, and the certified gap. place: the file."""
    rows = rows[(rows["k"] == 1) & (rows["shape"] == "loose")]
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for method, colour in COLOURS.items():
        own = rows[rows["method"] == method].sort_values("users")
        style = {"color": colour, "marker": "o", "markersize": 4, "label": method}
        axes[0].plot(own["users"], own["objective"], **style)
        axes[1].plot(own["users"], own["solve_s"], **style)
        axes[2].plot(own["users"], own["gap"].clip(lower=1e-12), **style)
    for axis, title in zip(
        axes, ("objective (money)", "solve step (seconds)", "certified gap to the optimum"), strict=True
    ):
        axis.set(title=title, xlabel="users", xscale="log", yscale="log")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(place, metadata={"Date": None})


def body(rows: pd.DataFrame) -> str:
    """The tables, one section per K and shape."""
    rows = rows.sort_values(["k", "shape", "users", "method"])
    parts = [
        "Two cores, a driver heap of 6 GiB. benchmarks/campaigns.py makes the campaigns, of 8 funds each. In `tight`, "
        "the low-risk funds have only just enough exposures for the cautious users. K is the number of slots per user. "
        "C1, C2 and C3 count violations of the paper's constraints.",
    ]
    for (k, shape), part in rows.groupby(["k", "shape"]):
        parts += [
            "",
            f"## K = {k}, {shape} risk{', 200 funds' if k == _MANY_FUNDS_K else ''}",
            "",
            _small_table(part),
            "",
            _large_table(part),
        ]
    return "\n".join(parts).rstrip()


def _small_table(rows: pd.DataFrame) -> str:
    lines = [
        "| users | method | objective | of the bound | gap | C1 | C2 | C3 "
        "| read s | solve s | certify s | audit s | write s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows[rows["method"] != "bare"].itertuples():
        times = " | ".join(
            f"{getattr(row, name):.2f}" for name in ("read_s", "solve_s", "certify_s", "audit_s", "write_s")
        )
        lines.append(
            f"| {row.users:,} | {row.method} | {row.objective:,.0f} | {row.objective / row.upper_bound:.4f} | "
            f"{row.gap:.1e} | {row.c1:,.0f} | {row.c2:,.0f} | {row.c3:,.0f} | {times} |"
        )
    return "\n".join(lines)


def _large_table(rows: pd.DataFrame) -> str:
    if "whole" not in rows or rows["whole"].isna().all():
        return ""
    bare = rows[rows["method"] == "bare"].set_index(["users", "run"])["whole"]
    lines = [
        "Whole jobs. Each is a process of its own and starts its own Java virtual machine (JVM):",
        "",
        "| users | method | whole s | x bare read and write | driver GiB | JVM GiB | workers GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows[rows["whole"].notna()].itertuples():
        memory = " | | " if row.method == "bare" else f"{row.driver_gb:.2f} | {row.jvm_gb:.2f} | {row.workers_gb:.2f}"
        yardstick = bare.get((row.users, row.run))
        ratio = "-" if yardstick is None else f"{row.whole / yardstick:.2f}"
        lines.append(f"| {row.users:,} | {row.method} | {row.whole:.1f} | {ratio} | {memory} |")
    return "\n".join(lines)

"""The tables on training, scoring and the whole pipeline from the lines that the benchmarks kept."""

from __future__ import annotations

import pandas as pd


def train_body(rows: pd.DataFrame) -> str:
    """Training from memory and from Petastorm."""
    speed = rows["rows"] / rows["seconds"]
    parts = [
        "One thread, batches of 512. In turns: the model on tensors in memory, and the trainer fed by Petastorm from "
        "Delta's own files, for one epoch each.",
        "",
        "| model | source | turn | rows | seconds | rows a second | waiting for data |",
        "|---|---|---|---|---|---|---|",
    ]
    parts += [
        f"| {row.model} | {row.source} | {row.turn + 1} | {row.rows:,} | {row.seconds:.1f} | "
        f"{row.rows / row.seconds:,.0f} | {row.waited:.1%} |"
        for row in rows.itertuples()
    ]
    means = speed.groupby(rows["source"]).mean()
    if len(means) > 1:
        ratio = means["fed by Petastorm"] / means["tensors in memory"]
        parts += ["", f"Fed by tensors in memory: {ratio:.2f} (target: at least .8; waiting under 10 %)."]
    return "\n".join(parts)


def score_body(rows: pd.DataFrame) -> str:
    """Scoring against plain torch."""
    parts = [
        "The job in a process of its own, its stage reading and writing Delta, against the same network in plain torch "
        "on tensors in memory with two threads. Target: at least .6 of it.",
        "",
        "| users | pairs | stage s | whole job s | pairs a second | plain torch | ratio | JVM GiB | workers GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows.sort_values("users").itertuples():
        pairs = row.users * row.funds
        speed = pairs / row.stage_seconds
        parts.append(
            f"| {row.users:,} | {pairs:,} | {row.stage_seconds:.1f} | {row.seconds:.1f} | {speed:,.0f} | "
            f"{row.plain_pairs_a_second:,.0f} | {speed / row.plain_pairs_a_second:.2f} | {row.jvm_gb:.2f} | "
            f"{row.workers_gb:.2f} |"
        )
    return "\n".join(parts)


def pipeline_body(lines: pd.DataFrame) -> str:
    """The whole pipeline, stage by stage."""
    parts = [
        "The stages one after another, each a process of its own, cold JVM included; where a row `run_pipeline` "
        "stands, all of them in that one, whose memory stands there. Two cores, a 6 GiB driver heap, "
        f"on a machine of {lines['machine_gb'].iloc[-1]:.0f} GiB. Memory is the highest seen, twice a second: of "
        "the driver (Python), of the JVM, and of all Python workers together.",
        "",
        "| users | stage | seconds | driver GiB | JVM GiB | workers GiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in lines.itertuples():
        memory = ["" if pd.isna(size) else f"{size:.2f}" for size in (row.driver_gb, row.jvm_gb, row.workers_gb)]
        parts.append(f"| {row.users:,} | {row.stage} | {row.seconds:,.0f} | {' | '.join(memory)} |")
    return "\n".join(parts)

"""The tables on training, scoring and the whole pipeline, from the lines that the benchmarks kept."""

from __future__ import annotations

import pandas as pd


def train_body(rows: pd.DataFrame) -> str:
    """Training on tensors in memory and on batches from the readers."""
    speed = rows["rows"] / rows["seconds"]
    parts = [
        "One thread, batches of 512. The sources take turns, one epoch each: tensors in memory, and readers of the "
        "files of the Delta table.",
        "",
        "| model | source | turn | rows | seconds | rows per second | waiting for data |",
        "|---|---|---|---|---|---|---|",
    ]
    parts += [
        f"| {row.model} | {row.source} | {row.turn + 1} | {row.rows:,} | {row.seconds:.1f} | "
        f"{row.rows / row.seconds:,.0f} | {row.waited:.1%} |"
        for row in rows.itertuples()
    ]
    means = speed.groupby(rows["source"]).mean()
    fed = [source for source in means.index if source.startswith("fed by")]
    for source in fed:
        ratio = means[source] / means["tensors in memory"]
        parts += ["", f"Rows per second, {source} / tensors in memory: {ratio:.2f}."]
    if fed:
        parts += ["Target: at least 0.8, and less than 10 % of the time waiting for data."]
    return "\n".join(parts)


def score_body(rows: pd.DataFrame) -> str:
    """Scoring compared with plain torch."""
    parts = [
        "The job is a process of its own. Its stage reads and writes Delta tables. It is compared with the same "
        "network in plain torch, on tensors in memory, with two threads. Target: a ratio of at least 0.6. Both "
        "are in pairs per second.",
        "",
        "| users | pairs | stage s | whole job s | pairs per second | plain torch | ratio | JVM GiB | workers GiB |",
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


def udf_kinds_body(rows: pd.DataFrame) -> str:
    """Scoring by kinds of UDF."""
    parts = [
        "Both kinds call the same kernel in one session, in turns, after a warm-up. The scores are the same to the bit "
        "and are written nowhere.",
        "",
        "| users | funds | kind | median seconds | turns |",
        "|---|---|---|---|---|",
    ]
    for (users, funds, kind), turns in rows.groupby(["users", "funds", "kind"])["seconds"]:
        seconds = ", ".join(f"{each:.1f}" for each in turns)
        parts.append(f"| {users:,} | {funds} | {kind} | {turns.median():.1f} | {seconds} |")
    return "\n".join(parts)


def pipeline_body(lines: pd.DataFrame) -> str:
    """The whole pipeline, stage by stage."""
    parts = [
        "The stages run one after another. Each is a process of its own and starts its own Java virtual machine (JVM). "
        "Where the table has a row `run_pipeline`, that one process ran all stages; the row shows its memory. Two "
        f"cores, a driver heap of 6 GiB, a machine of {lines['machine_gb'].iloc[-1]:.0f} GiB. Memory is sampled twice "
        "per second; the highest sample is shown, for the driver (Python), the JVM, and all Python workers together.",
        "",
        "| users | stage | seconds | driver GiB | JVM GiB | workers GiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in lines.itertuples():
        memory = ["" if pd.isna(size) else f"{size:.2f}" for size in (row.driver_gb, row.jvm_gb, row.workers_gb)]
        parts.append(f"| {row.users:,} | {row.stage} | {row.seconds:,.0f} | {' | '.join(memory)} |")
    return "\n".join(parts)

"""The tables on `build_features`, from the lines that `features.py` and `row_groups.py` kept."""

from __future__ import annotations

import pandas as pd

_MIB = 2**20


def body(rows: pd.DataFrame) -> str:
    """The feature tables."""
    parts = [
        "Two cores, a driver heap of 8 GiB, whole jobs; each starts its own Java virtual machine (JVM). The bare job "
        "reads the same raw tables and writes as many bytes in as many rows. Raw rows are those of users, exposures "
        "and transactions.",
        "",
        "| users | weeks | raw rows | seconds | rows per second | x bare job | shuffled MiB | spilled to disk MiB | "
        "read MiB | written MiB | bare s | bare written MiB | JVM GiB | workers GiB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows.sort_values("users").itertuples():
        build, bare = row.build, row.bare
        parts.append(
            f"| {row.users:,} | {row.weeks} | {row.rows:,} | {build['seconds']:.0f} | "
            f"{row.rows / build['seconds']:,.0f} | {build['seconds'] / bare['seconds']:.2f} | "
            f"{build['shuffled'] / _MIB:,.0f} | {build['spilled_disk'] / _MIB:,.0f} | {row.read_bytes / _MIB:,.0f} | "
            f"{row.written_bytes / _MIB:,.0f} | {bare['seconds']:.0f} | {row.bare_written_bytes / _MIB:,.0f} | "
            f"{build['jvm_gb']:.2f} | {build['workers_gb']:.2f} |"
        )
    return "\n".join(parts)


def row_groups_body(rows: pd.DataFrame) -> str:
    """The row groups of the examples."""
    parts = [
        f"The training feed reads, encodes and shuffles {rows['rows'].iloc[0]:,} training examples for one epoch. "
        "There is one process per size, with one thread beside the consumer. The size is Parquet's, before "
        "compression. The shuffling buffer holds 100,000 rows.",
        "",
        "| row group MiB | rows per group | rows read per second | peak memory GiB | files MiB | seconds to write |",
        "|---|---|---|---|---|---|",
    ]
    parts += [
        f"| {row.row_group_mib or 'default of Parquet'} | {row.rows_a_group:,.0f} | "
        f"{row.rows / row.seconds:,.0f} | {row.peak_gb:.2f} | {row.file_bytes / _MIB:,.1f} | {row.write_seconds:.1f} |"
        for row in rows.sort_values("row_group_mib").itertuples()
    ]
    return "\n".join(parts)

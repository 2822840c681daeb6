"""Score tables and demands of any size for the allocation benchmarks. They depend on the seed and the user only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.reproducible.hashing import normal, stream, uniform
from ptofa_spark.tables.contracts.schemas import DEMANDS, FUNDS
from ptofa_spark.tables.delta.writing import write_table

SEED = 11
CAMPAIGN = "bench"
# Shares of the risk tolerances 2 to 5 (conservative to aggressive) among a real bank's customers (FAR-Trans).
_TOLERANCE_SHARES = np.array([2_857, 9_179, 7_194, 2_399]) / 21_629
_TASTE = {"loose": 0.0, "tight": 4.0}


def risk_levels(funds: int) -> np.ndarray:
    """(funds,): 1, 2, 2, 3, 3, 4, 4, 5 for 8 funds, and the same proportions for more funds, in ascending order."""
    return np.sort(np.array([1, 2, 2, 3, 3, 4, 4, 5])[np.arange(funds) % 8])


def expected_revenue(user: np.ndarray, funds: int) -> tuple[np.ndarray, np.ndarray]:
    """Risk tolerance (users,) and expected revenue (users, funds), money: p_c * exp(mu + sigma^2 / 2).

    Users, funds and pairs each have an effect of their own.
    """
    fund = np.arange(funds)
    tolerance = 2 + np.searchsorted(np.cumsum(_TOLERANCE_SHARES)[:-1], uniform(stream(SEED, "tolerance"), user))
    rate = -5.5 + 0.8 * normal(stream(SEED, "rate"), user)[:, None] + 0.4 * normal(stream(SEED, "appeal"), fund)
    mu = 8.0 + 0.9 * normal(stream(SEED, "wealth"), user)[:, None] + 0.5 * normal(stream(SEED, "ticket"), fund)
    pair = normal(stream(SEED, "pair"), user[:, None], fund[None, :])
    return tolerance.astype(np.int32), np.exp(rate + mu + 0.5 * pair + 0.32)


def write_campaign(spark: SparkSession, root: Path, users: int, k: int, shape: str, funds: int = 8) -> None:
    """Writes scores, funds and demands under `root`. Scores of an earlier run are kept.

    shape: `loose` demands follow the taste of users of every tolerance. In `tight`, users of a high tolerance leave
    almost all low-risk funds to the cautious users, who then have only just enough.
    """
    ids = [f"F{fund:03d}" for fund in range(funds)]
    if not (root / "scores").exists():
        _scores(spark, users, ids).write.format("delta").save(str(root / "scores"))
    rows: list[tuple[object, ...]] = [(fund, int(level)) for fund, level in zip(ids, risk_levels(funds), strict=True)]
    write_table(spark.createDataFrame(rows, FUNDS), str(root / "funds"))
    demand = _demand(spark, users, k, shape, funds)
    rows = [(CAMPAIGN, fund, int(exposures)) for fund, exposures in zip(ids, demand, strict=True)]
    write_table(spark.createDataFrame(rows, DEMANDS), str(root / f"demands_k{k}_{shape}"))


def _scores(spark: SparkSession, users: int, ids: list[str]) -> DataFrame:
    def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            user = batch.column("id").to_numpy()
            tolerance, revenue = expected_revenue(user, len(ids))
            offsets = np.arange(0, revenue.size + 1, len(ids), dtype=np.int32)
            lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(revenue.ravel()))
            yield pa.record_batch([pa.array(user), pa.array(tolerance), lists], names=["u", "t", "e"])

    rows = _users(spark, users).mapInArrow(carry, "u bigint, t int, e array<double>")
    return rows.select(
        F.lit(CAMPAIGN).alias("campaign_id"),
        F.col("u").alias("user_id"),
        F.col("t").alias("risk_tolerance"),
        F.array(*[F.lit(fund) for fund in ids]).alias("fund_ids"),
        F.col("e").alias("expected_revenue"),
    )


def _demand(spark: SparkSession, users: int, k: int, shape: str, funds: int) -> np.ndarray:
    """(funds,) exposures: the counts of an allocation by taste. It keeps C1 and C3, so the demands are feasible."""
    levels = risk_levels(funds)
    popularity = np.log([5, 3, 2.5, 4, 2, 2, 1, 1.5])[np.arange(funds) % 8]

    def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts = np.zeros(funds, dtype=np.int64)
        for batch in batches:
            user = batch.column("id").to_numpy()
            tolerance, _ = expected_revenue(user, funds)
            pair = uniform(stream(SEED, "taste"), user[:, None], np.arange(funds)[None, :])
            bold = (tolerance[:, None] > 2) & (levels <= 2)
            taste = popularity - np.log(-np.log(pair)) - _TASTE[shape] * bold
            taste = np.where(tolerance[:, None] >= levels, taste, -np.inf)
            counts += np.bincount(np.argsort(-taste, axis=1)[:, :k].ravel(), minlength=funds)
        yield pa.record_batch([pa.array(np.arange(funds)), pa.array(counts)], names=["fund", "n"])

    parts = _users(spark, users).mapInArrow(carry, "fund bigint, n bigint")
    rows = parts.groupBy("fund").agg(F.sum("n").alias("n")).orderBy("fund").collect()
    return np.array([row["n"] for row in rows])


def _users(spark: SparkSession, users: int) -> DataFrame:
    return spark.range(0, users, 1, max(2, users // 625_000))

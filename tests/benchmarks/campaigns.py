"""Score tables and demands of any size for the allocation benchmarks, a pure function of seed and user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.hashing import normal, stream, uniform
from ptofa_spark.tables.schemas import DEMANDS, FUNDS
from ptofa_spark.tables.writing import write_table

SEED = 11
CAMPAIGN = "bench"
LEVELS = np.array([1, 2, 2, 3, 3, 4, 4, 5])
IDS = tuple(f"F{fund}" for fund in range(len(LEVELS)))
# Declared tolerances 2 to 5 in the shares of a real bank's customers (SPEC, FAR-Trans): conservative to aggressive.
_TOLERANCE_SHARES = np.array([2_857, 9_179, 7_194, 2_399]) / 21_629
_TASTE = {"loose": 0.0, "tight": 4.0}


def expected_revenue(user: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Risk tolerance (users,) and E (users, funds): p_c * exp(mu + sigma^2 / 2) with user, fund and pair effects."""
    funds = np.arange(len(LEVELS))
    tolerance = 2 + np.searchsorted(np.cumsum(_TOLERANCE_SHARES)[:-1], uniform(stream(SEED, "tolerance"), user))
    rate = -5.5 + 0.8 * normal(stream(SEED, "rate"), user)[:, None] + 0.4 * normal(stream(SEED, "appeal"), funds)
    mu = 8.0 + 0.9 * normal(stream(SEED, "wealth"), user)[:, None] + 0.5 * normal(stream(SEED, "ticket"), funds)
    pair = normal(stream(SEED, "pair"), user[:, None], funds[None, :])
    return tolerance.astype(np.int32), np.exp(rate + mu + 0.5 * pair + 0.32)


def write_campaign(spark: SparkSession, root: Path, users: int, k: int, shape: str) -> None:
    """Writes scores, funds and demands under `root`; scores that are there already are kept.

    `loose` demands follow what users of every tolerance like; in `tight` the bold leave almost all of the low-risk
    funds to the cautious, who then only just have enough.
    """
    if not (root / "scores").exists():
        _scores(spark, users).write.format("delta").save(str(root / "scores"))
    rows = [(fund, int(level)) for fund, level in zip(IDS, LEVELS, strict=True)]
    write_table(spark.createDataFrame(rows, "fund_id string, risk_level int").to(_loose(FUNDS)), str(root / "funds"))
    demand = _demand(spark, users, k, shape)
    rows = [(CAMPAIGN, fund, int(exposures)) for fund, exposures in zip(IDS, demand, strict=True)]
    frame = spark.createDataFrame(rows, "campaign_id string, fund_id string, demand bigint")
    write_table(frame.to(_loose(DEMANDS)), str(root / f"demands_k{k}_{shape}"))


def _loose(schema):  # type: ignore[no-untyped-def]
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(f.name, f.dataType, True) for f in schema])


def _scores(spark: SparkSession, users: int) -> DataFrame:
    def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            user = batch.column("id").to_numpy()
            tolerance, revenue = expected_revenue(user)
            offsets = np.arange(0, revenue.size + 1, len(LEVELS), dtype=np.int32)
            lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(revenue.ravel()))
            yield pa.record_batch([pa.array(user), pa.array(tolerance), lists], names=["u", "t", "e"])

    partitions = max(2, users // 625_000)
    rows = spark.range(0, users, 1, partitions).mapInArrow(carry, "u bigint, t int, e array<double>")
    return rows.select(
        F.lit(CAMPAIGN).alias("campaign_id"),
        F.col("u").alias("user_id"),
        F.col("t").alias("risk_tolerance"),
        F.array(*[F.lit(fund) for fund in IDS]).alias("fund_ids"),
        F.col("e").alias("expected_revenue"),
    )


def _demand(spark: SparkSession, users: int, k: int, shape: str) -> np.ndarray:
    """Counts of an allocation by taste, which keeps C1 and C3: so the demands are feasible."""
    popularity = np.log([5, 3, 2.5, 4, 2, 2, 1, 1.5])

    def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts = np.zeros(len(LEVELS), dtype=np.int64)
        for batch in batches:
            user = batch.column("id").to_numpy()
            tolerance, _ = expected_revenue(user)
            pair = uniform(stream(SEED, "taste"), user[:, None], np.arange(len(LEVELS))[None, :])
            bold = (tolerance[:, None] > 2) & (LEVELS <= 2)
            taste = popularity - np.log(-np.log(pair)) - _TASTE[shape] * bold
            taste = np.where(tolerance[:, None] >= LEVELS, taste, -np.inf)
            counts += np.bincount(np.argsort(-taste, axis=1)[:, :k].ravel(), minlength=len(LEVELS))
        yield pa.record_batch([pa.array(np.arange(len(LEVELS))), pa.array(counts)], names=["fund", "n"])

    parts = spark.range(0, users, 1, max(2, users // 625_000)).mapInArrow(carry, "fund bigint, n bigint")
    rows = parts.groupBy("fund").agg(F.sum("n").alias("n")).orderBy("fund").collect()
    return np.array([row["n"] for row in rows])

"""Outcomes of a simulated campaign, drawn from the truth by random numbers that are common to all arms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from ptofa_spark.reproducible.hashing import stream
from ptofa_spark.simulator.exposures import outcomes

CONVERTED = StructType(
    [
        StructField("campaign_id", StringType()),
        StructField("user_id", LongType()),
        StructField("revenue", DoubleType()),
    ]
)


def converted_exposures(allocation: DataFrame, truth: DataFrame, seed: int) -> DataFrame:
    """The exposures that convert: one row of CONVERTED per exposure.

    The outcome of an exposure depends on seed, user and fund only. So two allocations, or two splits into arms, that
    show a user the same fund get the same outcome.

    Args:
        allocation: campaign_id, user_id, fund_id.
        truth: rows of `truth`.
        seed: of the draws. They are independent of the draws of the platform's log, for any seed of the log.
    """
    funds = sorted(row["fund_id"] for row in truth.select("fund_id").distinct().collect())
    number = {fund: place for place, fund in enumerate(funds)}
    draws = stream(seed, "simulated campaign") >> 1  # the shift makes it fit a signed 64-bit number

    def converted(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            user_id, p_c, mu, sigma = (
                batch.column(name).to_numpy(zero_copy_only=False) for name in ("user_id", "p_c", "mu", "sigma")
            )
            fund = np.array([number[name] for name in batch.column("fund_id").to_pylist()], dtype=np.int64)
            came = outcomes(draws, user_id.astype(np.int64), fund, p_c, mu, sigma)
            yield pa.RecordBatch.from_arrays(
                [
                    batch.column("campaign_id").filter(pa.array(came.conversion)),
                    pa.array(user_id[came.conversion]),
                    pa.array(came.revenue[came.conversion]),
                ],
                names=CONVERTED.fieldNames(),
            )

    shown = allocation.select("campaign_id", "user_id", "fund_id").join(truth, on=["user_id", "fund_id"], how="inner")
    columns = shown.select("campaign_id", F.col("user_id").cast("long"), "fund_id", "p_c", "mu", "sigma")
    return columns.mapInArrow(converted, CONVERTED)

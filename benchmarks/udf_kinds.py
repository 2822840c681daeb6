"""Scoring by a pandas UDF and by an Arrow UDF: seconds for the same users, in turns, in one session.

Both call `score_users`, which takes a pandas frame. A pandas UDF gets the frame from PySpark and returns a column per
fund. An Arrow UDF gets an Arrow array, makes the frame, and returns one array of lists. The scores are written nowhere.
The scores of both are compared once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.features import HEAP
from benchmarks.jobs import CORES, SHUFFLE_PARTITIONS
from benchmarks.lines import add_place, keep
from benchmarks.score import trained_model
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.scoring.score import scored_users
from ptofa_spark.scoring.scorer import CampaignFunds, loaded, score_users
from ptofa_spark.scoring.udf import ColumnFunction, expected_revenue_udf
from ptofa_spark.training.artifact import Artifact, read_artifact

_TURNS = 3


def main() -> None:
    """Trains a model if there is none. Then each kind of UDF scores all users, `_TURNS` times after a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="size for which features.py built features")
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "features"
    warehouse, artifact = work / str(args.users), read_artifact(str(trained_model(work, args.users)))
    settings = SparkSettings(master=f"local[{CORES}]", driver_memory=HEAP, shuffle_partitions=SHUFFLE_PARTITIONS)
    with spark_session(settings) as spark:
        users, funds = (
            spark.read.format("delta").load(str(warehouse / name)) for name in ("user_features", "fund_features")
        )
        funds = funds.where(F.col("campaign_id") == funds.agg(F.max("campaign_id")).collect()[0][0])
        kinds = {"pandas UDF": expected_revenue_udf, "Arrow UDF": arrow_udf_of}
        frames = {kind: scored_users(users, funds, artifact, udf_of) for kind, udf_of in kinds.items()}
        _require_same(frames)
        of_campaign = {"users": args.users, "funds": funds.count()}
        for turn in range(_TURNS + 1):
            for kind, scores in frames.items():
                started = time.perf_counter()
                scores.write.format("noop").mode("overwrite").save()
                if turn:
                    line = {"kind": kind, "turn": turn, "seconds": time.perf_counter() - started}
                    keep(args.bench / "udf_kinds.jsonl", of_campaign | line)


def arrow_udf_of(artifact: Broadcast[Artifact], funds: Broadcast[CampaignFunds]) -> ColumnFunction:
    """`expected_revenue_udf` as an Arrow UDF, which PySpark has from 4.1 on."""
    from pyspark.sql.functions import arrow_udf

    def scores(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        model, campaign = loaded(artifact.value), funds.value
        for batch in batches:
            scored = score_users(model, campaign, pa.Table.from_struct_array(batch).to_pandas())
            offsets = np.arange(len(scored) + 1, dtype=np.int32) * scored.shape[1]
            yield pa.ListArray.from_arrays(pa.array(offsets), pa.array(scored.ravel()))

    return arrow_udf(scores, returnType="array<double>")  # type: ignore[no-any-return]


def _require_same(frames: dict[str, DataFrame]) -> None:
    sums = {
        kind: scores.selectExpr("sum(cast(xxhash64(user_id, expected_revenue) as decimal(38)))").first()
        for kind, scores in frames.items()
    }
    if len(set(sums.values())) > 1:
        raise SystemExit(f"the kinds of UDF do not give the same scores: {sums}")


if __name__ == "__main__":
    main()

"""Scoring by a pandas UDF and by an Arrow UDF: seconds for the same users, in turns, in one session.

Both call `score_users`, which takes a pandas frame. A pandas UDF gets the frame from PySpark and returns a column per
fund. An Arrow UDF gets an Arrow array, makes the frame, and returns one array of lists. The scores are written nowhere.
The scores of both are compared once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from benchmarks.features import HEAP
from benchmarks.jobs import CORES, SHUFFLE_PARTITIONS, job_script, run_script, spark_options
from benchmarks.lines import add_place, keep
from ptofa_spark.features.pair import CampaignPairs
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.scoring.scorer import CampaignFunds, loaded, score_users
from ptofa_spark.scoring.udf import expected_revenue_udf
from ptofa_spark.training.artifact import Artifact, read_artifact, unpack

_TURNS = 3


def main() -> None:
    """Trains a model if there is none. Then each kind of UDF scores all users, `_TURNS` times after a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="size for which features.py built features")
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "features"
    warehouse, model_dir = work / str(args.users), work / "model"
    if not model_dir.exists():
        words = [f"--warehouse={warehouse}", f"--model-dir={model_dir}", "--epochs=1"]
        run_script(job_script("train"), [*words, *spark_options(HEAP)])
    settings = SparkSettings(master=f"local[{CORES}]", driver_memory=HEAP, shuffle_partitions=SHUFFLE_PARTITIONS)
    with spark_session(settings) as spark:
        users = spark.read.format("delta").load(str(warehouse / "user_features"))
        artifact = read_artifact(str(model_dir))
        campaign = _campaign(spark.read.format("delta").load(str(warehouse / "fund_features")), artifact)
        context = spark.sparkContext
        given = context.broadcast(artifact), context.broadcast(campaign)
        columns = [*unpack(artifact).encoding.user.columns]
        features = F.struct(*columns, *campaign.pairs.columns())
        kinds = {"pandas UDF": expected_revenue_udf(*given), "Arrow UDF": arrow_udf_of(*given)}
        frames = {kind: _scored(users, features, udf) for kind, udf in kinds.items()}
        _require_same(frames)
        for turn in range(_TURNS + 1):
            for kind, scores in frames.items():
                started = time.perf_counter()
                scores.write.format("noop").mode("overwrite").save()
                if turn:
                    line = {"users": args.users, "funds": len(campaign.columns), "kind": kind, "turn": turn}
                    keep(args.bench / "udf_kinds.jsonl", line | {"seconds": time.perf_counter() - started})


def arrow_udf_of(artifact: Broadcast[Artifact], funds: Broadcast[CampaignFunds]) -> Callable[[Column], Column]:
    """`expected_revenue_udf` as an Arrow UDF, which PySpark has from 4.1 on."""
    from pyspark.sql.functions import arrow_udf

    def scores(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        model, campaign = loaded(artifact.value), funds.value
        for batch in batches:
            scored = score_users(model, campaign, pa.Table.from_struct_array(batch).to_pandas())
            offsets = np.arange(len(scored) + 1, dtype=np.int32) * scored.shape[1]
            yield pa.ListArray.from_arrays(pa.array(offsets), pa.array(scored.ravel()))

    return arrow_udf(scores, returnType="array<double>")  # type: ignore[no-any-return]


def _campaign(fund_features: DataFrame, artifact: Artifact) -> CampaignFunds:
    found = fund_features.orderBy("campaign_id", "fund_id").collect()
    rows = [row for row in found if row["campaign_id"] == found[-1]["campaign_id"]]
    encoding = unpack(artifact).encoding
    columns = fund_features.toPandas().sort_values(["campaign_id", "fund_id"])[-len(rows) :]
    return CampaignFunds(CampaignPairs.of(rows, encoding.pair.columns), columns[list(encoding.fund.columns)])


def _scored(users: DataFrame, features: Column, udf: Callable[[Column], Column]) -> DataFrame:
    needed = users.select("user_id", features.alias("features"))
    return needed.select("user_id", udf(F.col("features")).alias("expected_revenue"))


def _require_same(frames: dict[str, DataFrame]) -> None:
    sums = {
        kind: scores.selectExpr("sum(cast(xxhash64(user_id, expected_revenue) as decimal(38)))").first()
        for kind, scores in frames.items()
    }
    if len(set(sums.values())) > 1:
        raise SystemExit(f"the kinds of UDF do not give the same scores: {sums}")


if __name__ == "__main__":
    main()

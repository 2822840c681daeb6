"""Pairs per second of `score`, compared with the same network in plain torch on tensors in memory.

The job is a process of its own: it starts a Java virtual machine (JVM), reads Delta tables and writes one. A line has
the seconds of its stage and of the whole job. The plain network has the encoded features of some users as tensors. It
runs on as many threads as the job has cores. Like the job, it computes a user's part of the first layer once for all
funds.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from pathlib import Path

import pandas as pd
import torch

from benchmarks.features import HEAP
from benchmarks.jobs import CORES, SHUFFLE_PARTITIONS, job_script, measure_script, run_script, spark_options
from benchmarks.lines import add_place, keep
from ptofa_spark.feed.blocks import Block, Features
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.training.artifact import LoadedModel, read_artifact, unpack

_PAIRS_PER_BATCH = 8_192
_PASSES = 5
_PLAIN_USERS = 200_000


def main() -> None:
    """Trains a model if there is none, then measures the plain network and the job at each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", default="1000000,10000000", help="sizes for which features.py built features")
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "features"
    sizes = [int(users) for users in args.users.split(",")]
    model_dir = trained_model(work, sizes[0])
    for users in sizes:
        warehouse = work / str(users)
        rate, funds = _plain(warehouse, unpack(read_artifact(str(model_dir))))
        line = {"users": users, "funds": funds, "plain_pairs_a_second": rate, **_job(warehouse, model_dir)}
        keep(args.bench / "score.jsonl", line)


def trained_model(work: Path, users: int) -> Path:
    """The folder of a model, which is trained on the features of so many users if there is none."""
    model_dir = work / "model"
    if not model_dir.exists():
        words = [f"--warehouse={work / str(users)}", f"--model-dir={model_dir}", "--epochs=1"]
        run_script(job_script("train"), [*words, *spark_options(HEAP)])
    return model_dir


def _plain(warehouse: Path, model: LoadedModel) -> tuple[float, int]:
    """Pairs per second of the network alone, the median of several passes; and the number of funds."""
    settings = SparkSettings(master=f"local[{CORES}]", driver_memory="2g", shuffle_partitions=SHUFFLE_PARTITIONS)
    with spark_session(settings) as spark:
        encoding = model.encoding
        frame = spark.read.format("delta").load(str(warehouse / "user_features")).limit(_PLAIN_USERS)
        user = encoding.user.block(frame.select(*encoding.user.columns).toPandas())
        funds = spark.read.format("delta").load(str(warehouse / "fund_features")).orderBy("campaign_id", "fund_id")
        last = funds.toPandas()
    last = last[last["campaign_id"] == last["campaign_id"].max()]
    fund = encoding.fund.block(last[list(encoding.fund.columns)])
    count = len(last)
    zero = pd.DataFrame({name: [0.0] * (_PAIRS_PER_BATCH // count * count) for name in encoding.pair.columns})
    flat = encoding.pair.block(zero)
    pair = Block(flat.codes.unflatten(0, (-1, count)), flat.numbers.unflatten(0, (-1, count)))
    funds_block = Block(fund.codes.unsqueeze(0), fund.numbers.unsqueeze(0))
    torch.set_num_threads(CORES)
    # The first pass is not counted. It starts the threads and touches the memory while a JVM is still closing: it took
    # three times as long as the next.
    rates = [_rate(model, user, funds_block, pair, _PAIRS_PER_BATCH // count) for _ in range(_PASSES + 1)]
    return round(statistics.median(rates[1:])), count


def _rate(model: LoadedModel, user: Block, fund: Block, pair: Block, size: int) -> float:
    """Pairs per second of one pass over the users, `size` of them per batch."""
    started = time.perf_counter()
    done = 0
    with torch.inference_mode():
        for start in range(0, len(user.codes) - size + 1, size):
            part = Block(user.codes[start : start + size].unsqueeze(1), user.numbers[start : start + size].unsqueeze(1))
            done += model.model.predict(model.model(Features(part, fund, pair))).expected_revenue.numel()
    return done / (time.perf_counter() - started)


def _job(warehouse: Path, model_dir: Path) -> dict[str, float]:
    """Seconds and peak memory of the whole job, and the seconds of its stage from its log."""
    log = warehouse / "score.log"
    words = [f"--warehouse={warehouse}", f"--model-dir={model_dir}", *spark_options(HEAP)]
    measured = measure_script(job_script("score"), words, log)
    stage = re.search(r"stage=score done .* seconds=([\d.]+)", log.read_text(encoding="utf-8"))
    assert stage is not None
    return {**measured, "stage_seconds": float(stage[1])}


if __name__ == "__main__":
    main()

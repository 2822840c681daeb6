"""Pairs a second of `score`, reading and writing Delta included, against the same network in plain torch in memory.

The yardstick holds the encoded features of some users as tensors, and runs the scorer's network on as many threads as
the job has cores, the user's part of the first layer once for all funds as the job does. The job is a process of its
own, cold JVM included; its own stage's seconds stand beside the whole.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from benchmarks.features import CORES, SPARK
from benchmarks.lines import ROOT, add_place, keep
from benchmarks.memory import PeakMemory
from ptofa_spark.feed.blocks import Block, Features
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.training.artifact import LoadedModel, read_artifact, unpack

_PAIRS_A_PASS = 8_192
_PASSES = 5


def main() -> None:
    """Trains a model if there is none, then measures the yardstick and the job for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", default="1000000,10000000", help="for whom features.py built")
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "features"
    sizes = [int(users) for users in args.users.split(",")]
    model_dir = work / "model"
    if not model_dir.exists():
        words = [f"--warehouse={work / str(sizes[0])}", f"--model-dir={model_dir}", "--epochs=1", *SPARK]
        subprocess.run([sys.executable, str(ROOT / "jobs" / "train.py"), *words], check=True, stdout=sys.stderr)
    for users in sizes:
        warehouse = work / str(users)
        yardstick, funds = _plain(warehouse, read_model(model_dir))
        line = {"users": users, "funds": funds, "plain_pairs_a_second": yardstick, **_job(warehouse, model_dir)}
        keep(args.bench / "score.jsonl", line)


def read_model(model_dir: Path) -> LoadedModel:
    """The trained model."""
    return unpack(read_artifact(str(model_dir)))


def _plain(warehouse: Path, model: LoadedModel, users: int = 200_000) -> tuple[float, int]:
    """Pairs a second of the network alone, the median of some passes, and the number of funds."""
    with spark_session(SparkSettings(master=f"local[{CORES}]", driver_memory="2g", shuffle_partitions=8)) as spark:
        encoding = model.encoding
        frame = spark.read.format("delta").load(str(warehouse / "user_features")).limit(users)
        user = encoding.user.block(frame.select(*encoding.user.columns).toPandas())
        funds = spark.read.format("delta").load(str(warehouse / "fund_features")).orderBy("campaign_id", "fund_id")
        last = funds.toPandas()
    last = last[last["campaign_id"] == last["campaign_id"].max()]
    fund = encoding.fund.block(last[list(encoding.fund.columns)])
    count = len(last)
    zero = pd.DataFrame({name: [0.0] * (_PAIRS_A_PASS // count * count) for name in encoding.pair.columns})
    flat = encoding.pair.block(zero)
    pair = Block(flat.codes.unflatten(0, (-1, count)), flat.numbers.unflatten(0, (-1, count)))
    funds_block = Block(fund.codes.unsqueeze(0), fund.numbers.unsqueeze(0))
    torch.set_num_threads(CORES)
    # The first pass wakes the threads and touches the memory, beside a JVM that is still closing: it took three times
    # as long as the next.
    rates = [_rate(model, user, funds_block, pair, _PAIRS_A_PASS // count) for _ in range(_PASSES + 1)]
    return round(statistics.median(rates[1:])), count


def _rate(model: LoadedModel, user: Block, fund: Block, pair: Block, size: int) -> float:
    started = time.perf_counter()
    done = 0
    with torch.inference_mode():
        for start in range(0, len(user.codes) - size + 1, size):
            part = Block(user.codes[start : start + size].unsqueeze(1), user.numbers[start : start + size].unsqueeze(1))
            done += model.model.predict(model.model(Features(part, fund, pair))).expected_revenue.numel()
    return done / (time.perf_counter() - started)


def _job(warehouse: Path, model_dir: Path) -> dict[str, float]:
    words = [f"--warehouse={warehouse}", f"--model-dir={model_dir}", *SPARK]
    started = time.perf_counter()
    log = warehouse / "score.log"
    with log.open("w", encoding="utf-8") as stderr:
        job = subprocess.Popen(
            [sys.executable, str(ROOT / "jobs" / "score.py"), *words], stdout=sys.stderr, stderr=stderr
        )
        with PeakMemory(job.pid) as memory:
            code = job.wait()
    if code != 0:
        raise SystemExit(f"score ended with {code}: see {log}")
    seconds = time.perf_counter() - started
    stage = re.search(r"stage=score done .* seconds=([\d.]+)", log.read_text(encoding="utf-8"))
    assert stage is not None
    peaks = {f"{kind}_gb": round(size, 2) for kind, size in memory.peaks.items()}
    return {"seconds": round(seconds, 1), "stage_seconds": float(stage[1]), **peaks}


if __name__ == "__main__":
    main()

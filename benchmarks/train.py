"""Rows per second of training: tensors in memory, and the trainer fed from a Delta table's own files by each reader.

All sources run the trainer's own step on one thread, and take turns. The examples are those that `features.py` built.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import torch

from benchmarks.lines import add_place, keep
from ptofa_spark.feed.batches import Rows, Widths
from ptofa_spark.feed.blocks import Batch
from ptofa_spark.feed.encoding import FeatureEncoding, fit_encoding
from ptofa_spark.feed.examples import ExamplesFeed, encoded_rows
from ptofa_spark.feed.snapshot import pin_snapshot, split_files
from ptofa_spark.models.build import build_model
from ptofa_spark.models.parts.heads import LabelMoments
from ptofa_spark.reproducible.splits import TRAIN
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.training.loop.history import Epoch
from ptofa_spark.training.loop.trainer import fit, seeded_single_thread
from ptofa_spark.training.settings import TrainSettings

_VALIDATION_ROWS = 8_192
_MOMENTS = LabelMoments(0.003, 8.0, 1.0, 0.03)


@dataclass(frozen=True)
class InMemory:
    """Encoded examples as tensors, shuffled again in each epoch."""

    rows: Rows
    widths: Widths
    batch_size: int

    @property
    def train_rows(self) -> int:
        return len(self.rows)

    @property
    def validation_rows(self) -> int:
        return min(_VALIDATION_ROWS, len(self.rows))

    def train(self, epoch: int) -> Iterator[Batch]:
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(epoch))
        for start in range(0, len(order), self.batch_size):
            yield self.widths.batch(self.rows[order[start : start + self.batch_size]])

    def validation(self) -> Iterator[Batch]:
        yield self.widths.batch(self.rows[:_VALIDATION_ROWS])

    def nothing(self) -> Batch:
        return self.widths.batch(self.rows[:0])


@dataclass(frozen=True)
class FedFromFiles:
    """The training feed, validated on the same few rows as the tensors in memory."""

    feed: ExamplesFeed
    memory: InMemory

    @property
    def train_rows(self) -> int:
        return self.feed.train_rows

    @property
    def validation_rows(self) -> int:
        return self.memory.validation_rows

    def train(self, epoch: int) -> Iterator[Batch]:
        return self.feed.train(epoch)

    def validation(self) -> Iterator[Batch]:
        return self.memory.validation()

    def nothing(self) -> Batch:
        return self.feed.nothing()


def main() -> None:
    """Measures the sources in turns, and appends one line per epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000_000, help="size for which features.py built examples")
    parser.add_argument("--exposures", type=int, default=4_300_000, help="examples of the epoch that a reader feeds")
    parser.add_argument("--memory-rows", type=int, default=1_000_000, help="examples held as tensors")
    parser.add_argument("--turns", type=int, default=2, help="epochs per source")
    parser.add_argument("--model", default="ptofa")
    add_place(parser)
    args = parser.parse_args()
    files, encoding = _prepared(args.bench / "features" / str(args.users), args.exposures)
    settings = TrainSettings(model=args.model, epochs=1, checkpoint_steps=0)
    memory = InMemory(_held(files, encoding, args.memory_rows), encoding.widths, settings.batch_size)
    rows = sum(pq.ParquetFile(file.removeprefix("file://")).metadata.num_rows for file in files)
    feed = ExamplesFeed(files, (), encoding, rows, 0, settings.batch_size, settings.shuffle_rows, settings.seed)
    for turn in range(args.turns):
        for name, source in (
            ("tensors in memory", memory),
            ("fed by Petastorm", FedFromFiles(feed, memory)),
            ("fed by pyarrow", FedFromFiles(replace(feed, reader="arrow"), memory)),
        ):
            epoch = _epoch(source, encoding, settings)
            line = {
                "model": args.model,
                "source": name,
                "turn": turn,
                "rows": epoch.rows,
                "seconds": round(epoch.seconds, 2),
                "waited": round(epoch.waited, 4),
            }
            keep(args.bench / "train.jsonl", line)


def _prepared(warehouse: Path, exposures: int) -> tuple[tuple[str, ...], FeatureEncoding]:
    """Files of the training split with at least `exposures` rows together, and the encoders fitted to them."""
    with spark_session(SparkSettings(master="local[2]", driver_memory="4g", shuffle_partitions=8)) as spark:
        snapshot = pin_snapshot(spark, str(warehouse / "examples"))
        files: list[str] = []
        rows = 0
        for file in split_files(snapshot, TRAIN):
            if rows < exposures:
                files.append(file)
                rows += pq.ParquetFile(file.removeprefix("file://")).metadata.num_rows
        few = spark.read.option("basePath", str(warehouse / "examples")).parquet(*files)
        return tuple(files), fit_encoding(few)


def _held(files: tuple[str, ...], encoding: FeatureEncoding, rows: int) -> Rows:
    """The first encoded examples, at least `rows` of them if there are so many."""
    parts: list[Rows] = []
    held = 0
    for group in encoded_rows(files, encoding, 0):
        parts.append(group)
        held += len(group)
        if held >= rows:
            break
    return Rows.joined(parts)


def _epoch(source: InMemory | FedFromFiles, encoding: FeatureEncoding, settings: TrainSettings) -> Epoch:
    with seeded_single_thread(settings.seed):
        model = build_model(settings.model, encoding.layout, settings.of_model())
        model.start_at(_MOMENTS)
        return fit(model, source, settings).history[0]


if __name__ == "__main__":
    main()

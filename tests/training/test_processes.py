"""Several training processes learn what one process learns, however the rows are shared.

TorchDistributor starts them as `train` does, or they are a pair that trains all that needs no start of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import safetensors.torch
import torch
from pyspark.sql import SparkSession

from ptofa_spark.errors import UserError
from ptofa_spark.feed.snapshot import pin_snapshot
from ptofa_spark.reproducible.splits import TRAIN
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.training.artifact import read_artifact, unpack
from ptofa_spark.training.labels import split_labels
from ptofa_spark.training.loop.group import ALONE, Group
from ptofa_spark.training.loop.trainer import Fitted
from ptofa_spark.training.processes import TrainingTask, train_process
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import TrainedModel, examples_feed, train
from tests.feed.feature_tables import FeatureTables
from tests.training.pair import run_pair

QUICK = {"epochs": 4, "patience": 4, "learning_rate": 0.003, "batch_size": 128, "seed": 5}


def trained(spark: SparkSession, warehouse: str, model_dir: Path, processes: int, **more: object) -> TrainedModel:
    given = {"warehouse": warehouse, "model_dir": str(model_dir), "processes": processes, **QUICK, **more}
    return train(spark, TrainSettings.model_validate(given))


def task(spark: SparkSession, warehouse: str, **more: object) -> TrainingTask:
    """What `train` asks of each of its processes."""
    settings = TrainSettings.model_validate({"warehouse": warehouse, **QUICK, **more})
    snapshot = pin_snapshot(spark, f"{warehouse}/examples")
    labels = split_labels(snapshot.frame, snapshot.table.name)
    feed = examples_feed(snapshot, labels, settings)
    return TrainingTask(feed, labels[TRAIN].moments(), settings, None)


@dataclass(frozen=True)
class Pair:
    """What the pair learned. three_files, one_file: from a table of as many; alone: from one file, in one process."""

    folder: Path
    three_files: Fitted
    one_file: Fitted
    alone: Fitted


@pytest.fixture(scope="module")
def pair(spark: SparkSession, tables: FeatureTables, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    examples = spark.read.format("delta").load(f"{tables.warehouse}/examples").coalesce(1)
    write_table(examples, f"{folder}/one_file/examples", partition_by=("snapshot_date", "split"))
    # The first process has every row, in batches of its half of 128: the steps of one process with batches of 64.
    one_file = task(spark, f"{folder}/one_file", epochs=1, dropout=0.0)
    alone = task(spark, f"{folder}/one_file", epochs=1, dropout=0.0, batch_size=64)
    found = run_pair(folder, {"three_files": task(spark, tables.warehouse), "one_file": one_file})
    return Pair(folder, **found, alone=train_process(alone))


def test_two_processes_learn_what_one_does(
    spark: SparkSession, tables: FeatureTables, pair: Pair, tmp_path: Path
) -> None:
    one = trained(spark, tables.warehouse, tmp_path / "one", 1)
    two = trained(spark, tables.warehouse, tmp_path / "two", 2)
    # Three files: one process reads two of them, the other one.
    assert [epoch.rows for epoch in two.chosen.fitted.history] == [epoch.rows for epoch in one.chosen.fitted.history]
    assert two.validation.rows == one.validation.rows
    assert two.validation.auc == pytest.approx(one.validation.auc, abs=0.01)
    # After four epochs the level of p_c differs by a tenth and more between seeds, too.
    assert two.validation.conversion_ratio == pytest.approx(one.validation.conversion_ratio, rel=0.2)
    losses = [run.chosen.fitted.history[run.chosen.fitted.best_epoch].validation_loss for run in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert read_artifact(one.model_dir).weights != read_artifact(two.model_dir).weights
    kept = unpack(read_artifact(two.model_dir)).model.state_dict()
    assert all(torch.equal(weight, pair.three_files.weights[name]) for name, weight in kept.items())


def test_a_process_without_a_row_group_takes_part_with_empty_batches(pair: Pair) -> None:
    first, second = pair.alone, pair.one_file
    assert second.history[0].rows == first.history[0].rows
    assert second.history[0].train_loss == pytest.approx(first.history[0].train_loss, rel=1e-5)
    assert second.history[0].validation_loss == pytest.approx(first.history[0].validation_loss, rel=1e-4)
    for name, weight in first.weights.items():
        assert torch.allclose(second.weights[name], weight, atol=2e-3), name


def test_two_processes_that_were_cut_off_go_on_to_the_same_weights(pair: Pair) -> None:
    assert not list(pair.folder.glob("cut-*"))
    for rank in range(2):
        whole, resumed = (
            safetensors.torch.load_file(pair.folder / f"{name}-{rank}.safetensors") for name in ("whole", "resumed")
        )
        assert len(whole["losses"]) == 4
        assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())


def test_an_error_of_the_users_comes_back_as_one_line(
    spark: SparkSession, tables: FeatureTables, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"the loss became nan: lower learning_rate"):
        trained(spark, tables.warehouse, tmp_path / "model", 2, learning_rate=1e30, clip_norm=1e30)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("rows", "size"), [(512, 2), (513, 2), (7, 3), (1, 2)])
def test_a_step_is_shared_evenly(rows: int, size: int) -> None:
    shares = [Group(rank, size, ALONE.device).share(rows) for rank in range(size)]
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == max(rows, size)

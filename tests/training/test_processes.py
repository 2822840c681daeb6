"""Several training processes through TorchDistributor learn what one process learns, however the rows are shared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.distributed as dist
from pyspark.sql import SparkSession
from torch.multiprocessing import spawn

from ptofa_spark.errors import UserError
from ptofa_spark.feed.blocks import Batch
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.training.artifact import read_artifact, unpack
from ptofa_spark.training.loop.checkpoint import Checkpoint
from ptofa_spark.training.loop.group import ALONE, Group
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import TrainedModel, train
from tests.feed.feature_tables import FeatureTables, write_feature_tables
from tests.training.in_memory import InMemory, exposures, fitted

QUICK = {"epochs": 4, "patience": 4, "learning_rate": 0.003, "batch_size": 128, "seed": 5}


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FeatureTables:
    return write_feature_tables(spark, str(tmp_path_factory.mktemp("warehouse")), users=12_000)


def trained(spark: SparkSession, warehouse: str, model_dir: Path, processes: int, **more: object) -> TrainedModel:
    given = {"warehouse": warehouse, "model_dir": str(model_dir), "processes": processes, **QUICK, **more}
    return train(spark, TrainSettings.model_validate(given))


def test_two_processes_learn_what_one_does(spark: SparkSession, tables: FeatureTables, tmp_path: Path) -> None:
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
    trained(spark, tables.warehouse, tmp_path / "again", 2)
    kept = [unpack(read_artifact(str(tmp_path / name))).model.state_dict() for name in ("two", "again")]
    assert all(torch.equal(weight, kept[1][name]) for name, weight in kept[0].items())


def test_a_process_without_a_row_group_takes_part_with_empty_batches(
    spark: SparkSession, tables: FeatureTables, tmp_path: Path
) -> None:
    examples = spark.read.format("delta").load(f"{tables.warehouse}/examples").coalesce(1)
    write_table(examples, f"{tmp_path}/one_file/examples", partition_by=("snapshot_date", "split"))
    one = trained(spark, f"{tmp_path}/one_file", tmp_path / "one", 1, epochs=1, dropout=0.0, batch_size=64)
    # The first process has every row, in batches of its half of 128: the steps of one process with batches of 64.
    two = trained(spark, f"{tmp_path}/one_file", tmp_path / "two", 2, epochs=1, dropout=0.0, batch_size=128)
    first, second = (run.chosen.fitted for run in (one, two))
    assert second.history[0].rows == first.history[0].rows
    assert second.history[0].train_loss == pytest.approx(first.history[0].train_loss, rel=1e-5)
    assert second.history[0].validation_loss == pytest.approx(first.history[0].validation_loss, rel=1e-4)
    for name, weight in first.weights.items():
        assert torch.allclose(second.weights[name], weight, atol=2e-3), name


class Half(InMemory):
    """Every second batch, and every second row to validate, of one process. It dies after a number of batches."""

    rank, left = 0, 10**9

    def train(self, epoch: int) -> Iterator[Batch]:
        for batch in islice(super().train(epoch), self.rank, None, 2):
            if Half.left == 0:
                raise KeyboardInterrupt
            Half.left -= 1
            yield batch

    def validation(self) -> Iterator[Batch]:
        return iter([self.batch(torch.arange(self.train_rows + self.rank, len(self.x), 2))])


def one_of_two(rank: int, folder: str) -> None:
    """What a process does: it trains undisturbed, then until it is cut off, then goes on. It writes the weights."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    for name, batches in (("whole", 10**9), ("cut", 8), ("resumed", 10**9)):
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{name}", rank=rank, world_size=2)
        try:
            train_half(rank, Path(folder), name, batches)
        except (KeyboardInterrupt, RuntimeError):  # its own end, or that of the other
            assert name == "cut"
        finally:
            dist.destroy_process_group()


def train_half(rank: int, folder: Path, name: str, batches: int) -> None:
    whole = exposures(3_000, 0.2)  # 9 batches an epoch: 5 for the first process, 4 for the second
    source, Half.rank, Half.left = Half(whole.x, whole.revenue), rank, batches
    checkpoint = Checkpoint(None if name == "whole" else folder / "run.safetensors", 2)
    group = Group(rank, 2, ALONE.device)
    model, run = fitted(source, checkpoint, group, epochs=4, patience=4, dropout=0.3, seed=5 + rank)
    losses = torch.tensor([[epoch.train_loss, epoch.validation_loss] for epoch in run.history])
    safetensors.torch.save_file(model.state_dict() | {"losses": losses}, folder / f"{name}-{rank}.safetensors")
    if name == "resumed":
        assert Half.left > 10**9 - 4 * 5, "it began anew"


def test_two_processes_that_were_cut_off_go_on_to_the_same_weights(tmp_path: Path) -> None:
    spawn(one_of_two, (str(tmp_path),), nprocs=2)
    assert not list(tmp_path.glob("cut-*"))
    for rank in range(2):
        whole, resumed = (
            safetensors.torch.load_file(tmp_path / f"{name}-{rank}.safetensors") for name in ("whole", "resumed")
        )
        assert len(whole["losses"]) == 4
        assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())


def test_an_error_of_the_users_comes_back_as_one_line(spark: SparkSession, tmp_path: Path) -> None:
    write_feature_tables(spark, f"{tmp_path}/w", users=1_500)
    with pytest.raises(UserError, match=r"the loss became nan: lower learning_rate"):
        trained(spark, f"{tmp_path}/w", tmp_path / "model", 2, learning_rate=1e30, clip_norm=1e30)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("rows", "size"), [(512, 2), (513, 2), (7, 3), (1, 2)])
def test_a_step_is_shared_evenly(rows: int, size: int) -> None:
    shares = [Group(rank, size, ALONE.device).share(rows) for rank in range(size)]
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == max(rows, size)

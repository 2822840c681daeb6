"""The epoch loop on batches in memory: what it keeps, when it stops, what it rejects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch

from ptofa_spark.errors import UserError
from ptofa_spark.feed.blocks import Batch
from ptofa_spark.models.build import build_model, model_of
from ptofa_spark.models.counterfactual import Counterfactual
from ptofa_spark.models.parts.heads import LabelMoments
from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.training.labels import SplitLabels
from ptofa_spark.training.loop.checkpoint import Checkpoint
from ptofa_spark.training.loop.early_stopping import EarlyStopping
from ptofa_spark.training.loop.trainer import mean_loss
from ptofa_spark.training.validation import validate
from tests.training.in_memory import LAYOUT, InMemory, exposures, fitted


@pytest.mark.parametrize("form", ["density", "mass"])
def test_a_model_learns_the_truth(form: Counterfactual) -> None:
    source = exposures(80_000, 0.05)
    model, _ = fitted(source, counterfactual=form)
    with torch.inference_mode():
        x = torch.tensor([-1.5, 0.0, 1.5])
        said = model.predict(model(InMemory(x, torch.zeros(3)).batch(torch.arange(3)).features))
    assert said.p_c is not None
    assert said.mu is not None
    assert said.sigma is not None
    truth = torch.sigmoid(math.log(0.05 / 0.95) + x)
    assert torch.allclose(said.p_c.float(), truth, rtol=0.15)
    assert torch.allclose(said.mu.float(), torch.full((3,), 4.0), atol=0.25)
    assert torch.allclose(said.sigma.float(), torch.full((3,), 0.8), atol=0.2)
    found = validate(model, model_of("ptofa"), source.validation())
    assert found.conversion_ratio == pytest.approx(1.0, abs=0.12)
    assert found.revenue_ratio == pytest.approx(1.0, abs=0.2)
    assert found.auc is not None
    assert found.auc > 0.7


@pytest.mark.parametrize("form", ["density", "mass"])
def test_data_without_any_conversion_stays_finite(form: Counterfactual) -> None:
    source = exposures(4_000, 0.0)
    model, run = fitted(source, counterfactual=form)
    assert all(math.isfinite(epoch.train_loss + epoch.validation_loss) for epoch in run.history)
    assert all(torch.isfinite(weight).all() for weight in model.state_dict().values())
    found = validate(model, model_of("ptofa"), source.validation())
    assert (found.auc, found.conversion_ratio, found.revenue_ratio) == (None, None, None)


def test_one_conversion_alone_trains() -> None:
    source = exposures(4_000, 0.0)
    source.revenue[5] = 1e12
    _, run = fitted(source)
    assert math.isfinite(run.history[-1].validation_loss)


def test_the_seed_decides_the_weights() -> None:
    source = exposures(3_000, 0.2)
    runs = [fitted(source, epochs=2, seed=seed)[0].state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert any(not torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


def test_training_leaves_the_process_as_it_was() -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    fitted(exposures(500, 0.2), epochs=1)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("name", "of_money"), [("ptofa", True), ("dnn_c", False), ("dnn_r", True)])
def test_validation_compares_with_money_what_is_money(name: str, of_money: bool) -> None:
    source = exposures(4_000, 0.2)
    model = build_model(name, LAYOUT, ModelSettings()).eval()
    found = validate(model, model_of(name), source.validation())
    assert found.conversions == int((source.revenue[source.train_rows :] > 0).sum())
    assert (found.revenue_ratio is not None) is of_money
    assert (found.conversion_ratio is not None) is (name != "dnn_r")


class Killed(Exception):
    pass


class CutOff(InMemory):
    """Dies after a number of batches, counted over the epochs."""

    left = 10**9

    def train(self, epoch: int) -> Iterator[Batch]:
        for batch in super().train(epoch):
            if CutOff.left == 0:
                raise Killed
            CutOff.left -= 1
            yield batch


@pytest.mark.parametrize("batches", [1, 5, 9, 12, 13, 26])
def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(tmp_path: Path, batches: int) -> None:
    whole = exposures(3_000, 0.2)  # 9 batches an epoch
    cut_off = CutOff(whole.x, whole.revenue)
    quick = {"epochs": 4, "patience": 4, "dropout": 0.3}
    wanted, undisturbed = fitted(whole, **quick)
    checkpoint = Checkpoint(tmp_path / "folder" / "run.safetensors", 4)
    CutOff.left = batches
    with pytest.raises(Killed):
        fitted(cut_off, checkpoint, **quick)
    CutOff.left = 10**9
    model, run = fitted(cut_off, checkpoint, **quick)
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in wanted.state_dict().items())
    assert [epoch.train_loss for epoch in run.history] == [epoch.train_loss for epoch in undisturbed.history]
    assert [epoch.validation_loss for epoch in run.history] == [e.validation_loss for e in undisturbed.history]
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["run.safetensors"]
    # From the file of a finished run it ends at once, without a step.
    CutOff.left = 0
    again, _ = fitted(cut_off, checkpoint, **quick)
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in wanted.state_dict().items())


def test_a_checkpoint_that_is_no_whole_file_is_started_anew(tmp_path: Path) -> None:
    source = exposures(600, 0.2)
    wanted, _ = fitted(source, epochs=1)
    path = tmp_path / "run.safetensors"
    path.write_bytes(b"half a file")
    model, _ = fitted(source, Checkpoint(path, 1), epochs=1)
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in wanted.state_dict().items())


def test_a_source_that_loses_rows_is_an_error() -> None:
    class Forgetful(InMemory):
        def train(self, epoch: int) -> Iterator[Batch]:
            return islice(super().train(epoch), 1)

    source = exposures(1_000, 0.2)
    with pytest.raises(RuntimeError, match=r"read 256 rows, but Spark counted 750"):
        fitted(Forgetful(source.x, source.revenue))


@pytest.mark.parametrize(("clip_norm", "clipped"), [(1e-3, True), (1e30, False)])
def test_a_steps_gradient_is_held_to_its_greatest_norm(clip_norm: float, clipped: bool) -> None:
    model, _ = fitted(exposures(600, 0.1), epochs=1, clip_norm=clip_norm)
    last = torch.cat([parameter.grad.ravel() for parameter in model.parameters() if parameter.grad is not None])
    assert (float(last.norm()) <= 1e-3 * (1 + 1e-5)) is clipped


def test_the_best_epochs_weights_are_kept() -> None:
    source = exposures(600, 0.1, seed=4)
    model, run = fitted(source, epochs=12, patience=4, learning_rate=0.03, dropout=0.0)
    losses = [epoch.validation_loss for epoch in run.history]
    assert run.best_epoch == losses.index(min(losses))
    assert len(losses) == min(12, run.best_epoch + 5)
    assert not run.cut_off
    assert mean_loss(model, source) == pytest.approx(min(losses), rel=1e-9)
    assert losses[-1] > min(losses)


def test_a_run_that_its_epochs_cut_off_says_so() -> None:
    source = exposures(600, 0.1, seed=4)
    _, run = fitted(source, epochs=3, patience=2, learning_rate=1e-4)
    assert (run.best_epoch, run.cut_off) == (2, True)


def test_stopping_waits_for_its_patience() -> None:
    stopping = EarlyStopping(patience=2)
    model = torch.nn.Linear(1, 1)
    enough = []
    for epoch, loss in enumerate([3.0, 2.0, 2.5, 1.9, 2.0, 2.1]):
        stopping.note(epoch, loss, model)
        enough.append(stopping.enough)
    assert enough == [False, False, False, False, False, True]
    assert (stopping.best_epoch, stopping.best_loss) == (3, 1.9)


def test_a_loss_that_is_no_number_stops_with_the_way_out() -> None:
    source = exposures(600, 0.1)
    source.x[7] = float("nan")
    with pytest.raises(UserError, match=r"the loss became nan: lower learning_rate"):
        fitted(source)


def test_moments_start_the_heads_even_where_a_moment_is_missing() -> None:
    assert SplitLabels(99, 9, 0, 0.0, None, None).moments() == LabelMoments(0.005, 0.0, 1.0, 0.095)
    assert SplitLabels(99, 0, 1, 7.0, 1.9, None).moments() == LabelMoments(0.015, 1.9, 1.0, 0.015)
    assert SplitLabels(1, 1, 1, 7.0, 1.9, None).moments().rate == 0.75

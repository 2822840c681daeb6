"""Pairs marked by a number such as -1e15: the optimum is that of whole numbers, and the gap is proved."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ptofa_spark.allocation.certificate.bound import Account, Certificate, certify
from ptofa_spark.allocation.exact.price_loop import exact_allocation
from ptofa_spark.allocation.exact.priced import Priced
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.scores.marks import Clip, Marks, find_marks
from ptofa_spark.allocation.scores.score_table import DriverScoreTable, clipped_users
from ptofa_spark.allocation.scores.spectrum import spectrum
from ptofa_spark.reproducible.exact_sums import grid_exponents, off_grid, on_grid
from tests.allocation.exact_flow import CENT, exact_optimum
from tests.allocation.instances import Instance, assert_exact, feasible_instance

EVERYTHING = 10**9  # pairs that the driver may solve at once


def marks_of(instance: Instance) -> Marks | None:
    return find_marks(spectrum(instance.expected_revenue), len(instance.demand) + 1)


def solve(
    instance: Instance, mode: str = "exact", pairs: int = EVERYTHING, seed: int = 1
) -> tuple[np.ndarray, Certificate, Priced] | None:
    """What the job does, on kernels: the allocation, its certificate and its step; None if the rounds ran out."""
    marks, problem = marks_of(instance), instance.problem(mode)
    rule, score_table = choice_rule(problem), DriverScoreTable(instance.users(problem), problem.classes)
    seen = score_table if marks is None else score_table.clipped(marks.clip)
    found = exact_allocation(rule, seen, seed, pairs)
    if found.step is None:
        return None
    clip = None if marks is None else marks.clip
    largest = float(np.nanmax(np.abs(instance.expected_revenue)))
    proof = certify(Account.of(rule, problem.users, found.prices, largest, marks), score_table, [found.step], clip)
    return replay([found.step], clipped_users(seen.users, seen.clip), instance.k), proof, found.step


def worth(instance: Instance, taken: np.ndarray) -> int:
    """The objective in whole multiples of CENT."""
    users, places = np.nonzero((taken >= 0) & (taken < len(instance.demand)))
    money = instance.expected_revenue[users, taken[users, places]]
    return sum(int(each / CENT) for each in money.tolist())


VALUES = {
    "-1e9": [-1e9],
    "-1e15": [-1e15],
    "-1e18": [-1e18],
    "-1e30": [-1e30],
    "+1e15": [1e15],
    "tiers": [-1e9, -1e15, -1e30],
    "both": [-1e15, 1e15],
    "push": [-1e9, 1e15],
    "multiples": [-1e9, -2e9, -5e9],
    "uneven": [-1.5e15, 1e15],
}


def marked_instance(rng: np.random.Generator, kind: str, users: int, funds: int, k: int, share: float) -> Instance:
    ordinary = {
        "spread": rng.lognormal(3, 1, (users, funds)),
        "ties": rng.integers(1, 4, (users, funds)) * 10.0,
        "negative": rng.normal(-5, 20, (users, funds)),
        "equal": np.full((users, funds), 7.0),
    }[str(rng.choice(["spread", "ties", "negative", "equal"]))]
    revenue = np.rint(ordinary / CENT) * CENT
    marked = rng.random((users, funds)) < share
    revenue[marked] = rng.choice(VALUES[kind], int(marked.sum()))
    levels = np.ones(funds, dtype=np.int64) if rng.random() < 0.5 else np.sort(rng.integers(1, 5, funds))
    levels[:k] = 1
    return feasible_instance(rng, users, levels, k, revenue)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", VALUES)
def test_marks_leave_the_optimum_in_whole_numbers(kind: str) -> None:
    """Marks that can and cannot be avoided, ties, one fund, K from 1 to 3, every demand mode, and a small sample."""
    rng = np.random.default_rng(sorted(VALUES).index(kind))
    found_marks = forced = solved = sampled = 0
    for number in range(60):
        funds = int(rng.integers(1, 6))
        k = int(rng.integers(1, min(3, funds) + 1))
        users = int(rng.integers(4, 13))
        positive = any(value > 0 for value in VALUES[kind])
        instance = marked_instance(rng, kind, users, funds, k, 0.08 if positive else float(rng.choice([0.1, 0.5])))
        mode = ("exact", "at-most", "partial")[number % 3]
        change = {"exact": 0, "at-most": 2, "partial": -np.minimum(instance.demand, 1)}[mode]
        instance = replace(instance, demand=instance.demand + change)
        marks = marks_of(instance)
        optimum = exact_optimum(instance, mode)
        for pairs in (EVERYTHING, 3 * funds):
            found = solve(instance, mode, pairs)
            if found is None:  # the rounds ran out, and it says so
                continue
            taken, proof, _ = found
            solved += 1
            sampled += pairs < EVERYTHING
            lacking = (optimum - worth(instance, taken)) * CENT
            assert lacking <= proof.absolute_gap + 1e-9, (number, mode, pairs)
            if marks is None and positive:  # they are more than a tenth of the pairs, and numbers like others
                continue
            assert lacking == 0, (number, mode, pairs)
            if mode == "exact":
                assert_exact(instance, taken)
            # Where the driver does not hold everything, a nudge may cost 2^-31 of the mean per exposure.
            assert -1e-6 <= proof.absolute_gap < 1e-4, (number, mode, pairs)
        found_marks += marks is not None
        forced += marks is not None and optimum * CENT < -1e8
    assert found_marks > 25
    assert solved > 90
    assert sampled > 30
    assert forced > 5 or kind in ("+1e15", "both", "push", "uneven")


@pytest.mark.parametrize("pairs", [EVERYTHING, 30_000])
@pytest.mark.parametrize("kind", ["one value", "tiers", "any size", "less than the revenue", "float's end"])
def test_avoided_marks_give_the_optimum_of_the_table_with_null(kind: str, pairs: int) -> None:
    rng = np.random.default_rng(7)
    clean = feasible_instance(rng, 20_000, np.array([1, 1, 2, 3, 4, 5]), 2)
    held = clean.best(1e6)
    marked = clean.eligible & ~held & (rng.random(held.shape) < 0.05)
    shape = held.shape
    sizes = {
        "one value": np.full(shape, -1e15),
        "tiers": rng.choice([-1e9, -1e15], shape),
        "any size": -1e9 * rng.uniform(1, 40, shape),
        "less than the revenue": clean.expected_revenue - 1e9,
        "float's end": np.full(shape, -1e100),
    }[kind]
    without = replace(clean, expected_revenue=np.where(marked, np.nan, clean.expected_revenue))
    instance = replace(clean, expected_revenue=np.where(marked, sizes, clean.expected_revenue))
    marks = marks_of(instance)
    assert marks is not None
    assert (marks.pairs, marks.negative) == (marked.sum(), marked.sum())
    assert marks.ordinary_largest == np.nanmax(without.expected_revenue)
    found = solve(instance, pairs=pairs)
    assert found is not None
    taken, proof, step = found
    assert_exact(without, taken)
    rows = np.repeat(np.arange(20_000), 2)
    optimum = without.optimum(1e8)
    assert without.expected_revenue[rows, taken.ravel()].sum() == pytest.approx(optimum, rel=1e-9)
    assert 0 <= proof.absolute_gap < 1e-3
    assert proof.upper_bound == pytest.approx(optimum, rel=1e-8)
    assert (proof.marks_in_bound, proof.worst_cycle >= -1e-6) == (0, True)
    assert step.nudge.size <= 2.0**-31 * 100 * np.nanmean(without.expected_revenue)


def test_the_gap_bounds_what_any_allocation_lacks() -> None:
    """For any feasible allocation beside marks the gap is at least what it lacks, wrongly allocated marks included."""
    rng = np.random.default_rng(3)
    tight = 0
    for kind, number in product(VALUES, range(12)):
        instance = marked_instance(rng, kind, 8, 4, 1, 0.15)
        marks, problem = marks_of(instance), instance.problem()
        found = solve(instance)
        if marks is None or found is None:
            continue
        taken, proof, step = found
        optimum = exact_optimum(instance)
        rule, score_table = choice_rule(problem), DriverScoreTable(instance.users(problem), problem.classes)
        largest = float(np.nanmax(np.abs(instance.expected_revenue)))
        swapped = taken.copy()
        first, second = rng.choice(8, 2, replace=False)
        swapped[[first, second]] = swapped[[second, first]]
        if not instance.eligible[np.arange(8), swapped[:, 0]].all():
            continue
        wrong = replace(step, undecided=np.arange(8), columns=swapped)
        for at in (proof.prices, proof.prices + rng.normal(0, 5, len(proof.prices))):
            said = certify(Account.of(rule, problem.users, at, largest, marks), score_table, [wrong], marks.clip)
            lacking = (optimum - worth(instance, swapped)) * CENT
            assert said.absolute_gap >= lacking * (1 - 1e-12) - 1e-6, (kind, number)
            tight += said.absolute_gap <= lacking * (1 + 1e-9) + 1e-3
            assert (optimum * CENT) <= said.upper_bound * (1 + np.sign(said.upper_bound) * 1e-12) + 1e-6
    assert tight > 30


def test_revenues_are_no_marks() -> None:
    rng = np.random.default_rng(5)
    shape = (2_000, 8)
    revenues = [
        rng.lognormal(0, 3, shape),
        rng.normal(0, 5, shape),
        np.zeros(shape),
        np.full(shape, -3.5),
        np.where(rng.random(shape) < 0.9, 0.0, 50.0),
        np.where(rng.random(shape) < 0.9, 1e-12, rng.lognormal(2, 1, shape)),  # a tenth is money, the rest noise
        np.where(rng.random(shape) < 0.01, rng.lognormal(12, 1, shape), rng.lognormal(0, 1, shape)),  # a few large ones
        np.where(
            rng.random(shape) < 0.01, -1e4, rng.uniform(50, 100, shape)
        ),  # the solver's unit is still small enough
        np.full(shape, np.nan),
    ]
    assert [find_marks(spectrum(revenue), 9) for revenue in revenues] == [None] * len(revenues)
    marked = revenues[0].copy()
    marked[::7, 3], marked[5, 5], marked[9] = -1e9, 1e15, np.nan
    marks = find_marks(spectrum(marked), 9)
    assert marks is not None
    ordinary = np.abs(marked) < 1e8
    seen = marks.clip.of(marked)
    np.testing.assert_array_equal(seen[ordinary], revenues[0][ordinary])
    assert np.isnan(seen[9]).all()
    assert seen[0, 3] < -8 * revenues[0].max()
    assert seen[5, 5] > 8 * -seen[0, 3]  # the pushed pair is of a higher tier
    assert marks.clip.largest() == np.nanmax(np.abs(seen))
    assert Clip.from_json(json.loads(json.dumps(marks.clip.to_json()))) == marks.clip


@pytest.mark.parametrize("size", [1e-300, 5e-324, 0.0, 1e100])
def test_revenues_at_either_end_of_the_floats_are_certified(size: float) -> None:
    rng = np.random.default_rng(2)
    made = feasible_instance(rng, 400, np.array([1, 1, 2, 4]), 1, rng.integers(1, 9, (400, 4)).astype(float))
    instance = replace(made, expected_revenue=made.expected_revenue * size)
    assert marks_of(instance) is None
    for pairs in (EVERYTHING, 400):
        found = solve(instance, pairs=pairs)
        if found is None:  # no nudge is smaller than the least floats
            assert (size, pairs) == (5e-324, 400)
            continue
        taken, proof, _ = found
        assert_exact(instance, taken)
        lacking = made.optimum() - made.expected_revenue[np.arange(400), taken[:, 0]].sum()
        assert proof.absolute_gap <= (3_200 * size or 2e-8)  # the nudge of zeros is one unit of money
        if size in (1e-300, 1e100):
            assert lacking == 0
            assert proof.absolute_gap <= 1e-6 * size
    values = np.nan_to_num(instance.expected_revenue)
    grid = grid_exponents(values.max(axis=0), 400)
    sums = off_grid(on_grid(values, grid[None, :]).sum(axis=0), grid)
    np.testing.assert_allclose(sums, np.nan_to_num(made.expected_revenue).sum(axis=0) * size, rtol=1e-12)

"""Inverse propensity estimates: right on average, with intervals that cover, from logs whose truth the test knows."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.logged.logged_users import logged_users
from ptofa_spark.evaluation.logged.off_policy import LoggedUsers, off_policy
from ptofa_spark.evaluation.truth.true_worth import true_worth
from ptofa_spark.tables.contracts.schemas import ALLOCATION, COMPACT_SCORES, TRUTH

PROPENSITY = np.array([0.5, 0.3, 0.2])
LOG = "user_id bigint, fund_id string, propensity double, conversion double, revenue double"


def simulated(seed: int, users: int = 600) -> tuple[LoggedUsers, float]:
    """Users logged once by a random policy, and the true CPME of giving user u fund u % 3."""
    world = np.random.default_rng(99)
    rate = world.uniform(0.05, 0.5, (users, 3))
    rng = np.random.default_rng(seed)
    shown = rng.choice(3, users, p=PROPENSITY)
    row = np.arange(users)
    converted = (rng.random(users) < rate[row, shown]).astype(float)
    held = shown == row % 3
    weight = np.where(held, 1 / PROPENSITY[shown], 0.0)
    revenue = 10.0 * converted
    guess = rate + world.normal(0.0, 0.05, rate.shape)  # of a model that knows something
    robust = guess[row, row % 3] + weight * (converted - guess[row, shown])
    logged = LoggedUsers(
        exposures=np.ones(users),
        conversions=converted,
        revenue=revenue,
        weight=weight,
        squared_weight=weight**2,
        weighted_conversions=weight * converted,
        weighted_revenue=weight * revenue,
        robust_conversions=robust,
        robust_revenue=10.0 * robust,
        matched=converted * held,
    )
    return logged, 1_000 * float(rate[row, row % 3].mean())


@pytest.mark.thorough
def test_estimates_are_unbiased_and_intervals_cover() -> None:
    names = ("cpme", "self_normalised_cpme", "robust_cpme")
    found: dict[str, list[float]] = {name: [] for name in names}
    covered = dict.fromkeys(names, 0)
    for seed in range(200):
        logged, truth = simulated(seed)
        estimate = off_policy(logged, resamples=200, seed=seed)
        for name in names:
            interval = getattr(estimate, name)
            found[name].append(interval.estimate)
            covered[name] += interval.low <= truth <= interval.high
    for name in names:
        error = np.std(found[name]) / np.sqrt(len(found[name]))
        assert abs(np.mean(found[name]) - truth) < 4 * error + (2.0 if name == "self_normalised_cpme" else 0.0)
        assert 0.90 <= covered[name] / 200 <= 0.99
    assert np.std(found["robust_cpme"]) < 0.9 * np.std(found["cpme"])


def test_an_estimate_is_the_weighted_mean_and_its_interval_a_function_of_the_seed() -> None:
    logged, _ = simulated(1)
    first, again, other = (off_policy(logged, resamples=300, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert first.cpme.low != other.cpme.low
    assert first.cpme.estimate == pytest.approx(1_000 * logged.weighted_conversions.mean())
    assert first.self_normalised_cpme.estimate == pytest.approx(
        1_000 * logged.weighted_conversions.sum() / logged.weight.sum()
    )
    assert first.cpme_difference.estimate == pytest.approx(first.cpme.estimate - first.logged_cpme.estimate)
    assert first.effective_exposures == pytest.approx(logged.weight.sum() ** 2 / (logged.weight**2).sum())
    assert first.conversions == logged.matched.sum()


def test_logged_users_equal_plain_python(spark: SparkSession) -> None:
    logged = [
        (1, "a", 0.5, 1.0, 70.0),
        (1, "b", 0.25, 0.0, 0.0),  # a user who was shown two funds
        (2, "b", 0.25, 1.0, 30.0),
        (3, "c", 0.25, 0.0, 0.0),
    ]
    held = {1: ["a", "b"], 2: ["a", "c"], 3: ["c", "b"]}
    rows = [("x", user, slot + 1, fund, 1.0) for user, funds in held.items() for slot, fund in enumerate(funds)]
    scores = [("x", user, 3, ["a", "b", "c"], [1.0, 2.0 * user, None]) for user in held]
    found = logged_users(
        spark.createDataFrame(logged, LOG),
        spark.createDataFrame(rows, ALLOCATION),
        spark.createDataFrame(scores, COMPACT_SCORES),
        k=2,
    )
    assert found.exposures.tolist() == [2, 1, 1]
    assert found.weight.tolist() == [1 / (2 * 0.5) + 1 / (2 * 0.25), 0.0, 2.0]
    assert found.squared_weight.tolist() == [1.0 + 4.0, 0.0, 4.0]
    assert found.weighted_conversions.tolist() == [1.0, 0.0, 0.0]
    assert found.weighted_revenue.tolist() == [70.0, 0.0, 0.0]
    assert found.conversions.tolist() == [1.0, 1.0, 0.0]
    assert found.matched.tolist() == [1.0, 0.0, 0.0]


def test_no_order_of_the_rows_changes_a_bit(spark: SparkSession) -> None:
    """.1 + .2 + .3 is not .3 + .2 + .1, where the order of the rows is that of the sum."""
    logged = [
        (user, fund, 0.25, 1.0, revenue)
        for user in (1, 2)
        for fund, revenue in zip("abc", (0.1, 0.2, 0.3), strict=True)
    ]
    rows = [("x", user, slot + 1, fund, 0.1) for user in (1, 2) for slot, fund in enumerate("abc")]
    scores = [("x", user, 3, ["a", "b", "c"], [0.1, 0.7, 0.3]) for user in (1, 2)]
    found = [
        logged_users(
            spark.createDataFrame(part, LOG).coalesce(1),
            spark.createDataFrame(rows[::step], ALLOCATION).coalesce(1),
            spark.createDataFrame(scores, COMPACT_SCORES),
            k=3,
        )
        for part, step in ((logged, 1), (logged[::-1], -1))
    ]
    for field in fields(LoggedUsers):
        assert getattr(found[0], field.name).tolist() == getattr(found[1], field.name).tolist()


def test_the_doubly_robust_estimate_is_right_and_narrower_with_lines_of_the_other_fold(spark: SparkSession) -> None:
    """A log made on purpose: the outcome rises with E, the allocation gives every user the fund of the highest E."""
    rng = np.random.default_rng(8)
    users, funds = 6_000, ["a", "b", "c"]
    predicted = rng.uniform(1.0, 9.0, (users, 3))
    rate = 0.02 + 0.08 * predicted
    shown = rng.choice(3, users, p=PROPENSITY)
    best = predicted.argmax(axis=1)
    row = np.arange(users)
    converted = rng.random(users) < rate[row, shown]
    logged = [
        (int(u), funds[shown[u]], float(PROPENSITY[shown[u]]), float(converted[u]), 5.0 * float(converted[u]))
        for u in row
    ]
    scores = [("x", int(u), 3, funds, predicted[u].tolist()) for u in row]
    held = [("x", int(u), 1, funds[best[u]], float(predicted[u, best[u]])) for u in row]
    sums = logged_users(
        spark.createDataFrame(logged, LOG),
        spark.createDataFrame(held, ALLOCATION),
        spark.createDataFrame(scores, COMPACT_SCORES),
        k=1,
    )
    found = off_policy(sums, resamples=200, seed=1)
    truth = 1_000 * rate[row, best].mean()
    assert found.robust_cpme.low <= truth <= found.robust_cpme.high
    assert found.robust_rpme.estimate == pytest.approx(5 * found.robust_cpme.estimate)
    assert found.robust_cpme.high - found.robust_cpme.low < 0.8 * (found.cpme.high - found.cpme.low)


def test_true_worth_is_the_mean_over_allocated_pairs_and_needs_every_pair(spark: SparkSession) -> None:
    truth = [(1, "a", 0.01, 8.0, 0.5), (1, "b", 0.5, 2.0, 1.0), (2, "a", 0.03, 7.0, 1.0)]
    rows = [("x", 1, 1, "a", 9.0), ("x", 2, 1, "a", 3.0)]
    known = spark.createDataFrame(truth, TRUTH)
    found = true_worth(spark.createDataFrame(rows, ALLOCATION), known)
    assert found.cpme == pytest.approx(1_000 * 0.04 / 2)
    assert found.rpme == pytest.approx(1_000 * (0.01 * np.exp(8 + 0.125) + 0.03 * np.exp(7.5)) / 2, rel=1e-9)
    strange = spark.createDataFrame([*rows, ("x", 3, 1, "a", 1.0)], ALLOCATION)
    with pytest.raises(TableError, match=r"truth lacks 1 allocated pair"):
        true_worth(strange, known)

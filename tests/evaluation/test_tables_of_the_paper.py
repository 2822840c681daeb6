"""What Tables 1 and 2 are made of: arms, outcomes drawn from the truth, lifts and regret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.certificate.summary import AllocationSummary, Violations
from ptofa_spark.errors import ConfigError, UserError
from ptofa_spark.evaluation.logged.lifts import ArmOutcome, resampled
from ptofa_spark.evaluation.table_1.compare_models import compare_models
from ptofa_spark.evaluation.table_1.settings import CompareModelsSettings
from ptofa_spark.evaluation.table_2.arms import parse_arms
from ptofa_spark.evaluation.truth.regret import require_optimal
from ptofa_spark.evaluation.truth.simulated_outcomes import converted_exposures
from ptofa_spark.tables.contracts.schemas import TRUTH


def test_a_user_does_the_same_in_every_arm_that_shows_them_the_fund(spark: SparkSession) -> None:
    pairs_of_all = [(user, fund, 0.2, 7.0, 1.0) for user in range(3_000) for fund in "abcdefgh"]
    truth = spark.createDataFrame(pairs_of_all, TRUTH)
    pairs = truth.select(F.lit("a").alias("campaign_id"), "user_id", "fund_id")
    whole = converted_exposures(pairs, truth, seed=5).toPandas()
    half = converted_exposures(pairs.where("user_id % 2 = 0").repartition(5), truth, seed=5).toPandas()
    even = whole[whole["user_id"] % 2 == 0].sort_values(["user_id", "revenue"])
    assert half.sort_values(["user_id", "revenue"]).to_numpy().tolist() == even.to_numpy().tolist()
    assert len(whole) == pytest.approx(0.2 * 24_000, rel=0.1)
    other = converted_exposures(pairs, truth, seed=6).toPandas()
    assert len(other.merge(whole, on=["user_id", "revenue"])) < 0.01 * len(whole)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ("ptofa", r"arm 'ptofa' is not predictor\+method"),
        ("zilm+ha", r"unknown model 'zilm'"),
        ("ziln+best", r"arm 'ziln\+best': no method 'best'"),
        ("ziln+ha,ziln+ha", r"name an arm twice"),
    ],
)
def test_arms_that_are_none_are_refused(arms: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_arms(arms)


def test_intervals_of_lifts_cover_the_truth() -> None:
    """An A/A test: two arms of one population differ by nothing, and 95 % of the intervals say so."""
    covered = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        arms = []
        for place in range(2):
            converting = int(rng.binomial(20_000, 0.01))
            revenue = rng.lognormal(3.0, 0.8, converting)
            arm = ArmOutcome(exposures=20_000, users=20_000, conversions=np.ones(converting), revenue=revenue)
            arms.append(resampled(arm, 200, 2 * seed + place))
        lift = arms[1].lift_over(arms[0])
        covered += lift.rpme.low <= 0.0 <= lift.rpme.high
    assert 0.90 <= covered / 150 <= 0.99


def test_a_lift_over_an_arm_that_may_have_no_conversion_is_unbounded() -> None:
    one, many = np.ones(1), np.ones(50)
    rare = resampled(ArmOutcome(exposures=100, users=100, conversions=one, revenue=one), 200, 1)
    busy = resampled(ArmOutcome(exposures=100, users=100, conversions=many, revenue=many), 200, 2)
    lift = busy.lift_over(rare).cpme
    assert lift.estimate == 49.0
    assert lift.high == np.inf
    assert 0 < lift.low < 49.0
    nobody = resampled(ArmOutcome(exposures=0, users=0, conversions=np.zeros(0), revenue=np.zeros(0)), 200, 3)
    assert nobody.rates().cpme.estimate == nobody.rates().cpme.high == 0.0


def test_an_unknown_model_is_refused_before_any_training(spark: SparkSession, tmp_path: Path) -> None:
    settings = CompareModelsSettings(warehouse=f"{tmp_path}/w", report=str(tmp_path / "r"), models="ptofa,zilm")
    with pytest.raises(ConfigError, match=r"unknown model 'zilm'"):
        compare_models(spark, settings, {})
    assert not (tmp_path / "r").exists()


def test_regret_against_an_optimum_that_was_not_proved_is_refused() -> None:
    none = Violations(0, 0, 0)
    proved = AllocationSummary("c", "exact", "exact", 1, "exact", 1, 1, 1, 5.0, 5.0, 1e-9, 0.0, none, 1, ())
    require_optimal(proved)
    require_optimal(replace(proved, objective=0.0, certified_gap=None))
    for gap in (0.01, None):
        with pytest.raises(UserError, match="the optimum was not proved"):
            require_optimal(replace(proved, certified_gap=gap))

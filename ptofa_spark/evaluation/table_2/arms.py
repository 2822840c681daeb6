"""Arms of a simulated campaign: the split of the users, and each arm's tables for `allocate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.allocation.settings import METHODS
from ptofa_spark.errors import ConfigError
from ptofa_spark.evaluation.truth.oracle import ORACLE
from ptofa_spark.models.registry import require_model


@dataclass(frozen=True)
class Arm:
    """A predictor and an optimiser. predictor: name of a model, or `oracle`; method: a method of `allocate`."""

    predictor: str
    method: str

    @property
    def name(self) -> str:
        """The arm's name in settings and tables."""
        return f"{self.predictor}+{self.method}"


def parse_arms(text: str) -> tuple[Arm, ...]:
    """Arms written as `esmm+manual,ptofa+ha`.

    Raises:
        ConfigError: an arm is not predictor+method, a name is unknown, or an arm is named twice.
    """
    arms = []
    for word in text.split(","):
        predictor, plus, method = word.strip().partition("+")
        if not plus:
            raise ConfigError(f"arm {word!r} is not predictor+method: write, for example, ptofa+ha")
        if predictor != ORACLE:
            require_model(predictor)
        if method not in METHODS:
            raise ConfigError(f"arm {word!r}: no method {method!r}: {METHODS.choices()}")
        arms.append(Arm(predictor, method))
    if len(set(arms)) < len(arms):
        raise ConfigError(f"arms {text!r} name an arm twice: name each arm once")
    return tuple(arms)


def arm_scores(scores: dict[str, DataFrame], arms: Sequence[Arm], seed: int) -> DataFrame:
    """One score table for all arms. A hash of seed and user puts each user in one arm. `campaign_id` is the arm's name.

    Args:
        scores: rows of COMPACT_SCORES of all users, by predictor.
        arms: the arms.
        seed: of the hash.
    """
    place = F.pmod(F.xxhash64(F.lit("arm"), F.lit(seed), F.col("user_id")), F.lit(len(arms)))
    parts = [
        scores[arm.predictor].where(place == number).withColumn("campaign_id", F.lit(arm.name))
        for number, arm in enumerate(arms)
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    return whole


def arm_demands(demands: DataFrame, campaign_id: str, arms: Sequence[Arm]) -> DataFrame:
    """The campaign's demands (exposures), once per arm. `allocate --demand-mode scale` fits them to its users."""
    names = F.explode(F.array(*[F.lit(arm.name) for arm in arms]))
    own = demands.where(F.col("campaign_id") == campaign_id)
    return own.withColumn("campaign_id", names).select("campaign_id", "fund_id", "demand")

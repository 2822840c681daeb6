"""The platform's users: their known attributes, and the unknown tastes behind their purchases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.reproducible.hashing import normal, stream, uniform
from ptofa_spark.simulator.funds import TYPES

GENDERS = ("female", "male")
DEVICES = ("android", "ios", "web")
_DEVICE_SHARES = (0.55, 0.35, 0.10)
CITIES = tuple(f"city_{i:02d}" for i in range(40))
_CITY_EXPONENT = 0.9
_TIER_ENDS = (4, 10, 20, 30)  # ranks by size at which tiers 1 to 4 end; the rest are tier 5

# Number of customers of a bank by declared profile (FAR-Trans, 2024). The four profiles become five tolerances:
# conservative is 1, income 2, aggressive 5; half of the balanced are 3 and half are 4.
FAR_TRANS_PROFILES = {"conservative": 2_857, "income": 9_179, "balanced": 7_194, "aggressive": 2_399}
_COUNTS = tuple(FAR_TRANS_PROFILES.values())
TOLERANCE_SHARES = tuple(
    count / sum(_COUNTS) for count in (_COUNTS[0], _COUNTS[1], _COUNTS[2] / 2, _COUNTS[2] / 2, _COUNTS[3])
)

_AGE_WITH_TOLERANCE = -0.3  # correlation of the underlying normals: older users declare less tolerance
_INCOME_UNKNOWN = 0.2
_MEAN_LOG_INCOME = 11.0
_TASTE_SPREAD = 0.9


@dataclass(frozen=True)
class People:
    """A batch of users, each array (users,) unless another shape is given.

    age: years; gender, city, device: indices into the names above; city_tier: 1 (largest) to 5; tenure_days: from
    joining to the target campaign; income: per year, rounded; income_known: whether the platform has it;
    risk_tolerance: 1..5.

    Not in any table: purchases: number of purchases in the history; taste: (users, types), preference for each type;
    log_amount_mean, log_amount_sd: of the user's log-normal amounts (paper, figure 2b).
    """

    user_id: Ints
    age: Ints
    gender: Ints
    city: Ints
    city_tier: Ints
    tenure_days: Ints
    device: Ints
    income: Floats
    income_known: Bools
    risk_tolerance: Ints
    purchases: Ints
    taste: Floats
    log_amount_mean: Floats
    log_amount_sd: Floats

    @property
    def youth(self) -> Floats:
        """Negated age, approximately standardized."""
        return (42.0 - self.age.astype(np.float64)) / 14.0

    @property
    def wealth(self) -> Floats:
        """Log income, approximately standardized."""
        return (np.log(self.income) - _MEAN_LOG_INCOME) / 0.6


def make_people(seed: int, user_id: Ints, weeks: int) -> People:
    """Makes the users with these ids.

    Args:
        seed: the platform's seed.
        user_id: (users,).
        weeks: number of past campaigns; all users joined before the first.
    """
    age_normal = normal(stream(seed, "users", "age"), user_id)
    age = np.floor(18.0 + 60.0 * ndtr(age_normal) ** 1.3)
    city = _drawn(_zipf(len(CITIES), _CITY_EXPONENT), uniform(stream(seed, "users", "city"), user_id))
    tier = 1 + np.searchsorted(np.array(_TIER_ENDS), city, side="right")
    tenure = 7 * weeks + 30 - 900.0 * np.log(uniform(stream(seed, "users", "tenure"), user_id))
    hump = 1.0 - ((age - 48.0) / 24.0) ** 2  # income and amounts are highest around age 48
    log_income = (
        _MEAN_LOG_INCOME + 0.2 * hump - 0.15 * (tier - 3) + 0.5 * normal(stream(seed, "users", "income"), user_id)
    )
    wealth = (log_income - _MEAN_LOG_INCOME) / 0.6
    own_normal = normal(stream(seed, "users", "risk_tolerance"), user_id)
    tolerance_normal = _AGE_WITH_TOLERANCE * age_normal + np.sqrt(1 - _AGE_WITH_TOLERANCE**2) * own_normal
    activity = 0.6 + 0.15 * wealth + 1.1 * normal(stream(seed, "users", "activity"), user_id)
    return People(
        user_id=user_id,
        age=age.astype(np.int64),
        gender=(uniform(stream(seed, "users", "gender"), user_id) < 0.5).astype(np.int64),
        city=city,
        city_tier=tier,
        tenure_days=np.minimum(tenure, 4_000.0).astype(np.int64),
        device=_drawn(np.array(_DEVICE_SHARES), uniform(stream(seed, "users", "device"), user_id)),
        income=np.round(np.exp(log_income), -2),
        income_known=uniform(stream(seed, "users", "income_known"), user_id) >= _INCOME_UNKNOWN,
        risk_tolerance=1 + _drawn(np.array(TOLERANCE_SHARES), ndtr(tolerance_normal)),
        purchases=np.minimum(np.exp(activity), 200.0).astype(np.int64),
        taste=_taste(seed, user_id, (42.0 - age) / 14.0, wealth),
        log_amount_mean=7.0 + 0.5 * wealth + 0.2 * hump + 0.6 * normal(stream(seed, "users", "amount"), user_id),
        log_amount_sd=0.4 + 0.6 * uniform(stream(seed, "users", "amount_sd"), user_id),
    )


def _taste(seed: int, user_id: Ints, youth: Floats, wealth: Floats) -> Floats:
    columns = [
        fund_type.youth * youth
        + fund_type.wealth * wealth
        + _TASTE_SPREAD * normal(stream(seed, "users", "taste"), user_id, index)
        for index, fund_type in enumerate(TYPES)
    ]
    return np.stack(columns, axis=1)


def _zipf(count: int, exponent: float) -> Floats:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    shares: Floats = weights / weights.sum()
    return shares


def _drawn(shares: Floats, chance: Floats) -> Ints:
    """Draws an index for each chance in (0, 1), in proportion to the shares, (users,)."""
    return np.searchsorted(np.cumsum(shares)[:-1], chance, side="right").astype(np.int64)

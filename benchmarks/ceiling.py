"""Bounds on how well any model can rank and allocate on the simulator's platform from features alone.

A part of the truth is drawn for each user and each pair, and no feature depends on it. A model that knew everything
else exactly would rank by the mean of the truth over that part. Its area under the ROC curve (AUC) is the highest that
features allow, and the regret of its allocation is the lowest. Both are bounds, not estimates: a real model knows past
purchases only, not the taste that causes them.

An AUC is the expected value over the exposures of the logging policy, not over one draw of them. A regret is the share
of the optimal revenue that an allocation loses, both under the truth. The allocated users are other users. They get one
fund each, with the demands of the target campaign.
"""

from __future__ import annotations

import argparse
from unittest.mock import patch

import numpy as np
from scipy.special import expit

from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.simulator import truth
from ptofa_spark.simulator.exposures import propensities, show
from ptofa_spark.simulator.population import make_people
from ptofa_spark.simulator.settings import SCENARIOS, GeneratePlatformSettings
from ptofa_spark.simulator.truth import Terms
from ptofa_spark.simulator.world import World, make_world
from tests.allocation.instances import Instance

WEEKS = 4
# 21 points integrate a polynomial of degree 41 over a normal distribution exactly.
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


def main() -> None:
    """Prints one line per scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200_000, help="users whose exposures make the AUC")
    parser.add_argument("--allocated", type=int, default=50_000, help="other users, whose allocation makes the regret")
    args = parser.parse_args()
    for scenario in SCENARIOS:
        world = make_world(GeneratePlatformSettings(scenario=scenario, weeks=WEEKS))
        everything, seen, tolerance = _scores(world, np.arange(args.users))
        weight = propensities(world.funds, tolerance, WEEKS - 1).ravel()
        p_c = expit(world.calibration.intercept + world.calibration.slope * everything.conversion).ravel()
        oracle, ceiling = (_auc(scores.conversion, p_c, weight) for scores in (everything, seen))
        print(f"{scenario}: AUC of the oracle {oracle:.4f}, best AUC from features {ceiling:.4f}; ", end="")
        by_all, by_rate = _regrets(world, args.users + np.arange(args.allocated))
        print(f"least regret from features {by_all:.4f}, with the true revenue per conversion {by_rate:.4f}")


def _scores(world: World, user_id: Ints) -> tuple[Terms, Terms, Ints]:
    """The scores that define the truth, the same without the part that no feature shows, and the risk tolerance."""
    people = make_people(world.seed, user_id, WEEKS)
    everything = truth.make_terms(people, world.funds, WEEKS)
    with patch.multiple(truth, UNSEEN_USER=0.0, UNSEEN_PAIR=0.0, UNSEEN_AMOUNT=0.0):
        return everything, truth.make_terms(people, world.funds, WEEKS), people.risk_tolerance


def _auc(ranking: Floats, p_c: Floats, weight: Floats) -> float:
    """Expected AUC of a ranking of pairs. p_c: true conversion probability; weight: exposures, in expectation."""
    order = np.argsort(ranking, axis=None, kind="stable")
    return truth.expected_auc(p_c[order], weight[order])


def _regrets(world: World, user_id: Ints) -> tuple[float, float]:
    """1 - revenue of the allocation by what features can show / revenue of the optimal one, both under the truth.

    The first takes all that features can show. The second takes what they can show of conversions, and the true revenue
    per conversion.
    """
    everything, seen, tolerance = _scores(world, user_id)
    of_conversion = np.exp(everything.log_amount + everything.sigma**2 / 2)
    logit = world.calibration.intercept + world.calibration.slope * everything.conversion
    worth = expit(logit) * of_conversion
    unseen = world.calibration.slope * np.hypot(truth.UNSEEN_USER, truth.UNSEEN_PAIR)
    logit = world.calibration.intercept + world.calibration.slope * seen.conversion
    rate = np.zeros_like(logit)
    for point, weight in zip(_POINTS, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        rate += weight * expit(logit + unseen * point)
    # On average, the unseen part of an amount is the same factor for all pairs: it does not change the allocation.
    believed = rate * np.exp(seen.log_amount + seen.sigma**2 / 2)
    demand = np.bincount(show(world.funds, user_id, tolerance, WEEKS).fund, minlength=len(world.funds.fund_id))
    eligible = world.funds.eligible(tolerance)
    best, *reached = (allocated(worth, by, eligible, demand) for by in (worth, believed, rate * of_conversion))
    return 1.0 - reached[0] / best, 1.0 - reached[1] / best


def allocated(worth: Floats, by: Floats, eligible: Bools, demand: Ints) -> float:
    """Value under `worth` of the allocation that is optimal under `by`; both (users, funds), money per exposure."""
    return float(worth[Instance(np.where(eligible, by / by.max(), np.nan), demand, 1).best(1e9)].sum())


if __name__ == "__main__":
    main()

"""How well anything could rank the simulator's conversions: the oracle's AUC, and that of the truth less its noise.

The truth holds a part, drawn for each user and each pair, that no feature shows. A model that knew everything else
exactly would rank by the truth without that part: its AUC is the ceiling of what features allow. Both are expected
values over the exposures of the logging policy, not over a draw of them.
"""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
from scipy.special import expit

from ptofa_spark.simulator import truth
from ptofa_spark.simulator.exposures import propensities
from ptofa_spark.simulator.population import make_people
from ptofa_spark.simulator.settings import SCENARIOS, GeneratePlatformSettings
from ptofa_spark.simulator.world import make_world

USERS, WEEKS = 200_000, 4


def main() -> None:
    """Prints a line a scenario."""
    for scenario in SCENARIOS:
        world = make_world(GeneratePlatformSettings(scenario=scenario, weeks=WEEKS))
        people = make_people(world.seed, np.arange(USERS), WEEKS)
        scores = truth.make_scores(people, world.funds, WEEKS).conversion
        with patch.multiple(truth, _UNSEEN_USER=0.0, _UNSEEN_PAIR=0.0):
            seen = truth.make_scores(people, world.funds, WEEKS).conversion
        p_c = expit(world.calibration.intercept + world.calibration.slope * scores)
        weight = propensities(world.funds, people.risk_tolerance, WEEKS - 1)
        found = []
        for ranking in (scores, seen):
            order = np.argsort(ranking, axis=None, kind="stable")
            found.append(truth.expected_auc(p_c.ravel()[order], weight.ravel()[order]))
        print(f"{scenario}: oracle {found[0]:.4f}, features can show {found[1]:.4f}")


if __name__ == "__main__":
    main()

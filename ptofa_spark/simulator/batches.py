"""Kernels that make Arrow batches of each table from batches of user ids. They do not use Spark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from ptofa_spark.arrays import Ints
from ptofa_spark.simulator.behaviour import make_purchases
from ptofa_spark.simulator.exposures import outcomes, show
from ptofa_spark.simulator.population import CITIES, DEVICES, GENDERS, make_people
from ptofa_spark.simulator.truth import make_truth
from ptofa_spark.simulator.world import World

_MICROSECONDS = 1_000_000
_TIMESTAMP = pa.timestamp("us", tz="UTC")


def user_batches(world: World, user_id: Ints) -> Iterator[pa.RecordBatch]:
    """Rows of `users`: one per user, with the attributes that the platform knows."""
    people = make_people(world.seed, user_id, world.calendar.weeks)
    yield pa.RecordBatch.from_pydict(
        {
            "user_id": people.user_id,
            "risk_tolerance": people.risk_tolerance.astype(np.int32),
            "age": people.age.astype(np.int32),
            "gender": _named(GENDERS, people.gender),
            "city": _named(CITIES, people.city),
            "city_tier": people.city_tier.astype(np.int32),
            "tenure_days": people.tenure_days.astype(np.int32),
            "device": _named(DEVICES, people.device),
            "income": pa.array(people.income, mask=~people.income_known),
        }
    )


def transaction_batches(world: World, user_id: Ints) -> Iterator[pa.RecordBatch]:
    """Rows of `transactions` that no exposure caused, all before the target campaign."""
    people = make_people(world.seed, user_id, world.calendar.weeks)
    purchases = make_purchases(people, world.funds, world.calendar.weeks)
    seconds = world.calendar.start_seconds(world.calendar.weeks) - purchases.seconds_before
    yield pa.RecordBatch.from_pydict(
        {
            "user_id": user_id[purchases.user],
            "fund_id": _named(world.funds.fund_id, purchases.fund),
            "transacted_at": pa.array(seconds * _MICROSECONDS).cast(_TIMESTAMP),
            "amount": purchases.amount,
        }
    )


def exposure_batches(world: World, user_id: Ints) -> Iterator[pa.RecordBatch]:
    """Rows of `exposures`: one per user and past campaign."""
    people = make_people(world.seed, user_id, world.calendar.weeks)
    truth = make_truth(people, world.funds, world.calendar.weeks, world.calibration)
    row = np.arange(len(user_id))
    appeal = truth.p_c if world.logging.selects else None
    for week in range(world.calendar.weeks):
        shown = show(world.funds, user_id, people.risk_tolerance, week, appeal)
        shown_pair = row, shown.fund
        outcome = outcomes(
            world.seed,
            user_id,
            week,
            truth.p_c[shown_pair],
            truth.mu[shown_pair],
            truth.sigma[shown_pair],
            world.logging.unrecorded_below,
        )
        yield pa.RecordBatch.from_pydict(
            {
                "campaign_id": _named((world.calendar.campaign_id(week),), np.zeros_like(user_id)),
                "user_id": user_id,
                "fund_id": _named(world.funds.fund_id, shown.fund),
                "propensity": shown.propensity,
                "click": outcome.click,
                "conversion": outcome.conversion,
                "revenue": outcome.revenue,
            }
        )


def target_batches(world: World, user_id: Ints) -> Iterator[pa.RecordBatch]:
    """The fund that the logging policy would show each user in the target campaign. Its counts become the demands.

    The policy shows only eligible funds, so the demands are feasible under every risk limit.
    """
    people = make_people(world.seed, user_id, world.calendar.weeks)
    shown = show(world.funds, user_id, people.risk_tolerance, world.calendar.weeks)
    yield pa.RecordBatch.from_pydict({"fund_id": _named(world.funds.fund_id, shown.fund)})


def truth_batches(world: World, user_id: Ints) -> Iterator[pa.RecordBatch]:
    """Rows of `truth`: one per user-fund pair, eligible or not."""
    people = make_people(world.seed, user_id, world.calendar.weeks)
    truth = make_truth(people, world.funds, world.calendar.weeks, world.calibration)
    funds = len(world.funds.fund_id)
    yield pa.RecordBatch.from_pydict(
        {
            "user_id": np.repeat(user_id, funds),
            "fund_id": _named(world.funds.fund_id, np.tile(np.arange(funds), len(user_id))),
            "p_c": truth.p_c.ravel(),
            "mu": truth.mu.ravel(),
            "sigma": truth.sigma.ravel(),
        }
    )


def _named(names: Sequence[str], index: Ints) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(names)).cast(pa.string())

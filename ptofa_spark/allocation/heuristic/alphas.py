"""Consumption speed of each fund: alpha_f = sum_u E[u,f] / d_f (paper, section 3, below eq. 7).

Alpha decides the order of the users, so its sums must not depend on the order of the rows: see `exact_sums`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.plan.steps import FREE, Step, replay
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.reproducible.exact_sums import off_grid, on_grid

_SUMS = pa.schema([("fund", pa.int64()), ("units", pa.int64())])


def fund_alphas(
    score_table: ScoreTable, done: Sequence[Step], k: int, open_funds: Bools, demand: Ints, grid: Ints
) -> Floats:
    """Alpha of each fund over the users still to be served to whom it is open (paper, section 3, below eq. 7).

    (funds,), money per exposure; 0 where d_f is 0.

    Args:
        score_table: the score table.
        done: the steps so far.
        k: funds that a user takes.
        open_funds: (classes, funds), what users may still take.
        demand: (funds,), exposures each fund still is to get.
        grid: (funds,), from `exact_sums.grid_exponents`.
    """
    table = score_table.collect(_open_revenue(tuple(done), k, open_funds, grid), _SUMS)
    units = np.zeros(len(grid), dtype=np.int64)
    np.add.at(units, table["fund"].to_numpy(), table["units"].to_numpy())
    return alphas_of(units, demand, grid)


def alphas_of(units: Ints, demand: Ints, grid: Ints) -> Floats:
    """Alpha of each fund from the sums of E on the grid, (funds,) as `demand` and `grid`."""
    return np.divide(off_grid(units, grid), demand, out=np.zeros(len(grid)), where=demand > 0)


def _open_revenue(
    done: tuple[Step, ...], k: int, open_funds: Bools, grid: Ints
) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        units = np.zeros(len(grid), dtype=np.int64)
        for batch in batches:
            rows = replay(done, batch, k)[:, 0] == FREE
            expected_revenue = np.where(open_funds[batch.class_index[rows]], batch.expected_revenue[rows], 0.0)
            units += on_grid(expected_revenue, grid[None, :]).sum(axis=0)
        yield pa.record_batch([pa.array(np.arange(len(grid))), pa.array(units)], schema=_SUMS)

    return kernel

"""Sums over each user's exposures, on Spark's workers. NumPy, no Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from ptofa_spark.arrays import Floats, Ints

# What all exposures of a user share, and the figures of each exposure (logged_users.py).
OF_USER = ("fold", "e_held", "served")
OF_EXPOSURE = ("w", "e", "conversion", "revenue")


def _terms(w: Floats, e: Floats, conversion: Floats, revenue: Floats) -> dict[str, Floats]:
    """What is summed over a user's exposures. Arguments: the columns OF_EXPOSURE."""
    terms = {
        "weight": w,
        "squared_weight": w * w,
        "weighted_e": w * e,
        "e": e,
        "squared_e": e * e,
        "matched": np.where(w > 0, conversion, 0.0),
    }
    for name, outcome in (("conversion", conversion), ("revenue", revenue)):
        terms |= {name: outcome, f"e_{name}": e * outcome, f"w_{name}": w * outcome}
    return terms


_SUMMED = _terms(*np.empty((len(OF_EXPOSURE), 0)))
SUMS = pa.schema(
    [("user_id", pa.int64()), *[(name, pa.float64()) for name in (*OF_USER, "exposures", *_SUMMED)]],
)


def sums_of_users(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """A row of SUMS per user.

    Args:
        batches: user_id, the columns OF_USER, and `shown`: a list of the user's exposures, structs of OF_EXPOSURE.
    """
    for batch in batches:
        shown = batch.column("shown")
        number = np.diff(shown.offsets.to_numpy())
        user = np.repeat(np.arange(batch.num_rows), number)
        exposures = shown.flatten()
        terms = _terms(*[exposures.field(name).to_numpy(zero_copy_only=False) for name in OF_EXPOSURE])
        columns = {
            **{name: batch.column(name) for name in ("user_id", *OF_USER)},
            "exposures": number.astype(np.float64),
            **{name: _sum(term, user, batch.num_rows) for name, term in terms.items()},
        }
        yield pa.RecordBatch.from_pydict(columns, schema=SUMS)


def _sum(term: Floats, user: Ints, users: int) -> Floats:
    """The sums by user, added in ascending order, so that they do not depend on the order of the rows."""
    order = np.lexsort((term, user))
    return np.bincount(user[order], term[order], users)

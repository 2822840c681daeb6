"""Marks in the tables: found by the first pass, taken out of the scores if asked for, named where a method refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from ptofa_spark.allocation.problem.problem import Funds, UserBatch
from ptofa_spark.allocation.scores.marks import Marks, find_marks
from ptofa_spark.allocation.scores.reading.first_pass import Look, Scores
from ptofa_spark.allocation.scores.score_rows import ScoreRows
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.scores.user_classes import Profile, profile
from ptofa_spark.allocation.settings import MarkedPairs

logger = logging.getLogger(__name__)

WAYS_OUT = "use null for a pair that must not be, or --marked-pairs not-eligible"

_ROWS = pa.schema([("user_id", pa.int64()), ("fund", pa.int64()), ("expected_revenue", pa.float64())])


@dataclass(frozen=True)
class MarkedScores:
    """Scores with their marks treated as asked for.

    scores: what is left of them; profile: of these scores; marks: those that are left in them; all_marks: those of the
    table; not_eligible: how many pairs the scores have lost.
    """

    scores: ScoreRows
    profile: Profile
    marks: Marks | None
    all_marks: Marks | None
    not_eligible: int


def marked_scores(scores: Scores, funds: Funds, asked: MarkedPairs, look: Look) -> MarkedScores:
    """The scores as asked for, with a second pass over them if marks are taken out.

    Args:
        scores: as they were read.
        funds: the campaign's.
        asked: what becomes of marks.
        look: what the first pass was asked for.

    Raises:
        TableError: see `profile`.
    """
    marks = _reported_marks(scores.profile, funds, asked)
    if marks is None or asked == "values" or marks.negative == 0:
        return MarkedScores(scores.rows, scores.profile, marks, marks, 0)
    kept = _without_negative(scores.rows, marks, funds)
    # A fund whose pairs are all marked has scores: it is not one that nobody scored.
    second = replace(profile(kept, funds, look.max_classes, look.seed), scored=scores.profile.scored)
    return MarkedScores(kept, second, find_marks(second.spectrum, len(funds) + 1), marks, marks.negative)


def audited_scores(scores: Scores, funds: Funds, asked: MarkedPairs) -> tuple[ScoreRows, Marks | None]:
    """The scores as an audit sees them, and their marks. Arguments as in `marked_scores`."""
    marks = _reported_marks(scores.profile, funds, asked)
    if marks is None or asked == "values":
        return scores.rows, marks
    return _without_negative(scores.rows, marks, funds), marks


def a_marked_pair(score_table: ScoreTable, marks: Marks, fund_ids: tuple[str, ...]) -> str:
    """Names one pair, of the first user who has one: "user 7, fund 'a': expected_revenue is -1e+15 among ...".

    Args:
        score_table: the score table as it is.
        marks: its marks.
        fund_ids: (funds,).
    """
    table = score_table.collect(_first_marked(marks.ordinary_largest), _ROWS).sort_by([("user_id", "ascending")])
    row = table.slice(0, 1).to_pylist()[0]
    return (
        f"user {row['user_id']}, fund {fund_ids[row['fund']]!r}: expected_revenue is {row['expected_revenue']:g} among "
        f"revenues of about {marks.ordinary_largest:.3g}"
    )


def _reported_marks(found: Profile, funds: Funds, asked: MarkedPairs) -> Marks | None:
    marks = find_marks(found.spectrum, len(funds) + 1)
    if marks is not None:
        logger.info(
            "marked_pairs=%d negative=%d lowest=%g highest=%g ordinary_largest=%g treated_as=%s",
            marks.pairs,
            marks.negative,
            marks.lowest,
            marks.highest,
            marks.ordinary_largest,
            asked,
        )
    return marks


def _without_negative(scores: ScoreRows, marks: Marks, funds: Funds) -> ScoreRows:
    """Scores with null for negative marks: Spark compiles an expression per fund, and interprets a lambda over them."""
    expected_revenue = [F.col("expected_revenue")[fund] for fund in range(len(funds))]
    kept = [F.when(each >= -marks.ordinary_largest, each) for each in expected_revenue]
    frame = scores.frame.select("user_id", "risk_tolerance", F.array(*kept).alias("expected_revenue"))
    return scores.changed(frame)


def _first_marked(ordinary_largest: float) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        first: tuple[int, int, float] | None = None
        for batch in batches:
            with np.errstate(invalid="ignore"):
                rows, columns = np.nonzero(np.abs(batch.expected_revenue) > ordinary_largest)
            if len(rows):
                at = int(np.argmin(batch.user_id[rows]))
                user, fund = int(batch.user_id[rows[at]]), int(columns[at])
                if first is None or user < first[0]:
                    first = (user, fund, float(batch.expected_revenue[rows[at], fund]))
        columns_of = [[] if first is None else [value] for value in (first or (0, 0, 0.0))]
        yield pa.record_batch([pa.array(c, f.type) for c, f in zip(columns_of, _ROWS, strict=True)], schema=_ROWS)

    return kernel

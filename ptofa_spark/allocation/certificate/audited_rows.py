"""The rows of an allocation, held against their scores and the bound in the pass that makes them.

Each user stands in one row of the scores, so a worker that has the row has all there is to audit. No table is read
again, and none is shuffled. What the funds got is counted from the rows as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.allocation.certificate.audit import DRIVER_EXPOSURES, Audit, audit_of
from ptofa_spark.allocation.certificate.audit_counts import COUNTS, counts_of
from ptofa_spark.allocation.certificate.audit_tally import DriverTally, SparkTally, Tally
from ptofa_spark.allocation.certificate.bound import PARTS, Account, Certificate
from ptofa_spark.allocation.plan.plan import ROWS, AllocationPlan
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.arrow_lists import list_matrix, lists
from ptofa_spark.allocation.scores.score_rows import ArrowKernel, ScoreRows
from ptofa_spark.allocation.scores.score_table import user_batch
from ptofa_spark.arrays import Ints
from ptofa_spark.arrow_tables import one_chunk, padded
from ptofa_spark.tables.contracts.schemas import ALLOCATION

_COUNTS = "counts"
# Rows of the allocation, and one more row per partition, of its counts and sums. That one has nothing in the columns
# of the allocation, and the others have null in the columns after them.
_FOUND = pa.schema([*ROWS, (_COUNTS, pa.list_(pa.int64())), *PARTS])

# The columns of the allocation allow no null.
_NOTHING = {pa.string(): "", pa.int64(): 0, pa.int32(): 0, pa.float64(): 0.0}


@dataclass(frozen=True)
class AuditedRows:
    """The rows to write, what the audit says of them, and the certificate, where there is an account to make it of."""

    frame: DataFrame
    audit: Audit
    certificate: Certificate | None


@contextmanager
def audited_rows(
    spark: SparkSession,
    plan: AllocationPlan,
    problem: AllocationProblem,
    scores: ScoreRows,
    account: Account | None,
    ordinary_largest: float,
) -> Iterator[AuditedRows]:
    """Makes the rows of a plan and audits them. Within the body they stay on the executors' disks, if they are many.

    Args:
        spark: the session.
        plan: the allocation.
        problem: what it is an allocation of.
        scores: of the problem's funds, one row per user.
        account: what the certificate is made of, if there is to be one.
        ordinary_largest: money; rows of a larger |E| are marked pairs, and are added up apart.
    """
    kernel = _kernel(plan, problem, account)

    def audited(frame: DataFrame, tally: Tally, facts: pa.Table) -> AuditedRows:
        counts: Ints = list_matrix(facts[_COUNTS], len(COUNTS)).sum(axis=0)
        certificate = None if account is None else account.certificate(facts.select(PARTS.names))
        return AuditedRows(frame, audit_of(counts, tally, problem.funds, problem.bounds), certificate)

    if scores.held is not None and problem.slots <= DRIVER_EXPOSURES:
        found = scores.collect(kernel, _FOUND)
        rows = one_chunk(found.filter(found[_COUNTS].is_null()).select(ROWS.names))
        frame = spark.createDataFrame(rows, ALLOCATION)
        yield audited(frame, DriverTally(rows, ordinary_largest), found.filter(found[_COUNTS].is_valid()))
        return
    kept = scores.frame.mapInArrow(kernel, from_arrow_schema(_FOUND)).persist(StorageLevel.DISK_ONLY)
    try:
        frame = kept.where(F.col(_COUNTS).isNull()).select(*ROWS.names).to(ALLOCATION)
        facts = kept.where(F.col(_COUNTS).isNotNull()).select(_COUNTS, *PARTS.names).toArrow()
        yield audited(frame, SparkTally(frame, ordinary_largest), facts)
    finally:
        kept.unpersist()


def _kernel(plan: AllocationPlan, problem: AllocationProblem, account: Account | None) -> ArrowKernel:
    funds, classes, k = problem.funds, problem.classes, problem.k

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts = np.zeros(len(COUNTS), dtype=np.int64)
        sums = None if account is None else account.sums()
        for batch in batches:
            users = user_batch(batch, funds.risk_levels, classes)
            taken = plan.taken(users)
            rows = plan.rows(users, taken)
            counts += counts_of(pa.Table.from_batches([batch]), pa.Table.from_batches([rows]), funds, k)
            if sums is not None:
                sums.add(users, taken)
            yield from padded(pa.Table.from_batches([rows]), _FOUND).to_batches()
        facts = {field.name: pa.array([_NOTHING[field.type]], field.type) for field in ROWS}
        facts[_COUNTS] = lists(counts[None, :])
        if sums is not None:
            facts |= zip(PARTS.names, sums.row().columns, strict=True)
        yield from padded(pa.table(facts), _FOUND).to_batches()

    return kernel

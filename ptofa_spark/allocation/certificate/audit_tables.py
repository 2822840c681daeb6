"""`audit`: holds an allocation table against the tables it was made from, whoever made it."""

from __future__ import annotations

import math

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.certificate.audit import DRIVER_EXPOSURES, Audit, audit
from ptofa_spark.allocation.problem.demand_modes import bounds_of
from ptofa_spark.allocation.scores.marked_pairs import audited_scores
from ptofa_spark.allocation.scores.reading.account import require_scored
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.allocation.settings import AuditSettings
from ptofa_spark.errors import UserError
from ptofa_spark.tables.campaigns import of_campaign
from ptofa_spark.tables.contracts.schemas import ALLOCATION
from ptofa_spark.tables.delta.pinned import PinnedTables


def audit_tables(spark: SparkSession, settings: AuditSettings) -> Audit:
    """Recomputes one campaign's promises.

    Raises:
        UserError: an input breaks its contract, or the allocation breaks a promise, each of which is named.
    """
    tables = PinnedTables(spark, csv=settings.csv_form())
    tables.pin(settings.scores, settings.funds, settings.demands)
    campaign, funds = read_campaign_funds(tables, settings.funds, settings.demands, settings.campaign_id)
    given = read_scores(tables, settings.scores, campaign, funds, Look(DRIVER_EXPOSURES // settings.k))
    try:
        scores, marks = audited_scores(given, funds, settings.marked_pairs)
        if not settings.allow_unscored:
            require_scored(given.read, funds, given.profile.scored)
        users = given.read.users
        bounds = bounds_of(settings.demand_mode, funds.demand, settings.k, users)
        table = tables.read(settings.allocation, ALLOCATION)
        rows = table.where(F.col("campaign_id") == campaign)
        ordinary_largest = math.inf if marks is None else marks.ordinary_largest
        audited = audit(rows if scores.held is None else _near(rows), scores, funds, bounds, users, ordinary_largest)
    finally:
        given.release()
    broken = audited.broken(bounds, funds.ids)
    if broken:
        # One that has rows, and none of the campaign, is of another; an empty one may be right where demands are 0.
        of_campaign(table, settings.allocation, campaign)
        raise UserError(
            f"table {settings.allocation} breaks its promises for {campaign!r}: {', '.join(broken)}: allocate it again"
        )
    return audited


def _near(allocation: DataFrame) -> DataFrame | pa.Table:
    """The rows on the driver, unless they are many."""
    rows = allocation.limit(DRIVER_EXPOSURES + 1).toArrow()
    return rows if rows.num_rows <= DRIVER_EXPOSURES else allocation

"""`audit`: holds an allocation table against the tables it was made from, whoever made it."""

from __future__ import annotations

import math
from dataclasses import replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.audit import Audit, audit
from ptofa_spark.allocation.inputs import read_campaign_funds, read_scores
from ptofa_spark.allocation.marked_pairs import audited_scores
from ptofa_spark.allocation.settings import AuditSettings
from ptofa_spark.errors import UserError
from ptofa_spark.tables.pinned import PinnedTables
from ptofa_spark.tables.schemas import ALLOCATION
from ptofa_spark.whole_shares import largest_remainder


def audit_tables(spark: SparkSession, settings: AuditSettings) -> Audit:
    """Recomputes one campaign's promises.

    Raises:
        UserError: an input breaks its contract, or the allocation breaks a promise, each of which is named.
    """
    tables = PinnedTables(spark).pin(settings.expected_revenue, settings.funds, settings.demands)
    campaign, funds = read_campaign_funds(tables, settings.funds, settings.demands, settings.campaign_id)
    read = read_scores(tables, settings.expected_revenue, campaign, funds)
    scores, marks = audited_scores(read, funds, settings.marked_pairs)
    users = scores.count()
    if settings.demand_mode == "scale" and funds.demand.sum() > 0:
        funds = replace(funds, demand=largest_remainder(funds.demand, settings.k * users))
    rows = tables.read(settings.allocation, ALLOCATION).where(F.col("campaign_id") == campaign)
    ordinary_largest = math.inf if marks is None else marks.ordinary_largest
    found = audit(rows, scores, funds, settings.k, users, ordinary_largest)
    demand = dict(zip(funds.ids, (int(d) for d in funds.demand), strict=True))
    broken = found.broken(demand, settings.demand_mode)
    if broken:
        raise UserError(
            f"table {settings.allocation} breaks its promises for {campaign!r}: {', '.join(broken)}: allocate it again"
        )
    return found

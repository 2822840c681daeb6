"""The scores of a campaign, in either form, checked as they are read."""

from __future__ import annotations

from pyspark.sql.types import StructType

from ptofa_spark.allocation.problem.problem import Funds
from ptofa_spark.allocation.scores.reading.compact_form import read_compact
from ptofa_spark.allocation.scores.reading.first_pass import Look, Scores
from ptofa_spark.allocation.scores.reading.long_form import read_long
from ptofa_spark.tables.campaigns import names_campaigns, of_campaign
from ptofa_spark.tables.contracts.schemas import CAMPAIGN_ID, COMPACT_SCORES, LONG_SCORES
from ptofa_spark.tables.delta.pinned import PinnedTables

_LOOK = Look()


def read_scores(tables: PinnedTables, argument: str, campaign_id: str, funds: Funds, look: Look = _LOOK) -> Scores:
    """The scores, one row per user: user_id, risk_tolerance, expected_revenue array<double> in the order of `funds`.

    Rows of other campaigns are left out; a table without the column campaign_id is of the campaign. Funds without a
    demand in the campaign are left out; a fund that no row scores is ineligible for everyone. Beside the scores stands
    what was left out, counted in the pass that checks the table.

    Args:
        tables: of the run.
        argument: the table, money per exposure, in either form: one row per user-fund pair, or COMPACT_SCORES.
        campaign_id: the campaign.
        funds: its funds.
        look: what the first pass is asked for.

    Raises:
        TableError: a user or pair twice, two tolerances for one user, a score that is not finite or above 1e100 in
            size, no row of the campaign, rows whose campaign is null or nearly meets it, or what `profile` refuses.
    """
    columns = tables.columns(argument)
    if "fund_id" not in columns and "fund_ids" in columns:
        rows, users, left_out = of_campaign(
            tables.read(argument, COMPACT_SCORES, allow_null=True), argument, campaign_id
        )
        return read_compact(rows, argument, campaign_id, funds, users, left_out, look)
    if names_campaigns(columns):
        several = tables.read(argument, StructType([CAMPAIGN_ID, *LONG_SCORES]), allow_null=True)
        pairs, count, left_out = of_campaign(several, argument, campaign_id)
        return read_long(pairs, argument, funds, count, left_out, look)
    pairs = tables.read(argument, LONG_SCORES, allow_null=True)
    return read_long(pairs, argument, funds, pairs.count(), 0, look)

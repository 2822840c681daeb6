"""Selects the rows of one campaign from a table that holds several."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.nulls import require_no_null
from ptofa_spark.tables.contracts.schemas import CAMPAIGN_ID
from ptofa_spark.tables.near_names import difference, folded, instead, near_names

CAMPAIGN = "campaign_id"


def names_campaigns(columns: Sequence[str]) -> bool:
    """Whether a table has a column campaign_id, ignoring case and outer spaces.

    >>> names_campaigns(["user_id", "Campaign_ID "]), names_campaigns(["user_id"])
    (True, False)
    """
    return any(folded(column) == CAMPAIGN for column in columns)


def of_campaign(frame: DataFrame, table: str, campaign: str) -> tuple[DataFrame, int, int]:
    """The campaign's rows, their number, and the number of rows of other campaigns.

    Counts the campaigns, which reads only the column campaign_id.

    Args:
        frame: rows with a column campaign_id.
        table: the table argument, for messages.
        campaign: the campaign's id.

    Raises:
        TableError: a row names no campaign, the table has no row of the campaign, or also has a campaign with a
            confusingly similar id.
    """
    rows = {row[CAMPAIGN]: row["count"] for row in frame.groupBy(CAMPAIGN).count().collect()}
    require_no_null(table, StructType([CAMPAIGN_ID]), {f"nulls_{CAMPAIGN}": rows.pop(None, 0)})
    require_campaign(rows, table, campaign)
    return frame.where(F.col(CAMPAIGN) == campaign), rows[campaign], sum(rows.values()) - rows[campaign]


def require_campaign(known: Collection[str], table: str, campaign: str) -> None:
    """Requires that the table has the campaign, and no other campaign with a confusingly similar id.

    Raises:
        TableError: the campaign is not among the known ones, or a similar id is.
    """
    if campaign not in known:
        raise TableError(
            f"table {table} has no campaign {campaign!r}; {instead(campaign, known, 'campaign')}: name it the same way "
            "in every table, or choose a campaign that is there"
        )
    near = near_names(campaign, known)
    if near:
        raise TableError(
            f"table {table} holds campaign {campaign!r} and campaign {near[0]!r} (it differs by "
            f"{difference(campaign, near[0])}): write the name the same way in each row, or give one of them another"
        )

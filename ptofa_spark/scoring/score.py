"""Scores every user-fund pair of the target campaign into one table, one row per user."""

from __future__ import annotations

import pandas as pd
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import MissingColumnError, TableError
from ptofa_spark.features.pair import DECLARED_PAIR_FEATURES, CampaignPairs, columns_read
from ptofa_spark.reproducible.splits import TEST
from ptofa_spark.running.progress import stage
from ptofa_spark.scoring.compact import compact
from ptofa_spark.scoring.finite import finite_or_fail, is_not_finite_failure, not_finite_error
from ptofa_spark.scoring.scorer import CampaignFunds
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.scoring.udf import UdfOfCampaign, expected_revenue_udf
from ptofa_spark.tables.contracts.schemas import COMPACT_SCORES, FUND_FEATURES, USER_FEATURES
from ptofa_spark.tables.delta.commits import Claim, TableVersion, claim
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.snapshots import of_snapshot
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse, quoted, sql_string
from ptofa_spark.training.artifact import Artifact, read_artifact, unpack


def score(spark: SparkSession, settings: ScoreSettings) -> str:
    """Writes the expected revenue of every user-fund pair of the target campaign, replacing the campaign's rows.

    Returns:
        The target campaign's id.

    Raises:
        UserError: there is no trained model, or a score is NaN or infinite; then nothing is written.
        TableError: a feature table is missing, violates its schema, or has no user of the audience.
    """
    artifact = read_artifact(settings.model_dir)
    user_table, fund_table = (in_warehouse(settings.warehouse, name) for name in ("user_features", "fund_features"))
    with stage("score", model=artifact.name, audience=settings.audience) as report:
        tables = PinnedTables(spark).pin(user_table, fund_table)
        users = tables.read(user_table, USER_FEATURES, keep_extra=True)
        users = of_snapshot(users, user_table, settings.snapshot_date)
        if settings.audience == TEST:
            users = users.where(F.col("split") == TEST)
        campaign = _campaign(users, user_table, settings.audience)
        funds = tables.read(fund_table, FUND_FEATURES, keep_extra=True)
        funds = of_snapshot(funds, fund_table, settings.snapshot_date).where(F.col("campaign_id") == campaign)
        output = settings.output or in_warehouse(settings.warehouse, "scores")
        claimed = claim(spark, output, f"campaign_id = {sql_string(campaign)}", COMPACT_SCORES)
        _write(scored_users(users, funds, artifact), claimed, tables.versions)
        report.counts |= {"campaign": campaign, "output": output}
    return campaign


def scored_users(
    users: DataFrame, funds: DataFrame, artifact: Artifact, udf_of: UdfOfCampaign = expected_revenue_udf
) -> DataFrame:
    """One row of COMPACT_SCORES per user, with the expected revenue of every fund, not yet checked to be finite.

    Args:
        users: the audience's rows of user_features, with all feature columns.
        funds: the campaign's rows of fund_features.
        artifact: the trained model.
        udf_of: makes the function that scores, as `expected_revenue_udf` does.

    Raises:
        TableError: the campaign has no funds.
        MissingColumnError: a feature that the model was trained on is missing.
    """
    spark = users.sparkSession
    encoding = unpack(artifact).encoding
    # Python sorts words as Spark does, by their UTF-8 bytes. A sort in Spark takes two jobs more.
    rows = sorted(funds.collect(), key=lambda row: str(row["fund_id"]))
    if not rows:
        raise TableError("table fund_features has no fund of the campaign: run build_features again")
    wanted = encoding.pair.columns
    unknown = [name for name in wanted if name not in DECLARED_PAIR_FEATURES]
    if unknown:
        raise MissingColumnError("the model's pairs", unknown, list(DECLARED_PAIR_FEATURES))
    of_user, of_fund = columns_read(wanted)
    _require(users, "user_features", [*encoding.user.columns, *of_user])
    _require(funds, "fund_features", [*encoding.fund.columns, *of_fund])
    campaign = CampaignFunds(
        CampaignPairs.of(rows, wanted),
        pd.DataFrame([row.asDict() for row in rows])[list(encoding.fund.columns)],
    )
    context = spark.sparkContext
    expected_revenue = udf_of(context.broadcast(artifact), context.broadcast(campaign))
    features = F.struct(*[quoted(name) for name in encoding.user.columns], *campaign.pairs.columns())
    needed = users.select("campaign_id", "user_id", "risk_tolerance", features.alias("features"))
    return compact(needed, expected_revenue(F.col("features")), campaign.pairs.funds.fund_ids)


def _require(frame: DataFrame, table: str, columns: list[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise MissingColumnError(table, missing, frame.columns)


def _campaign(users: DataFrame, table: str, audience: str) -> str:
    first = users.select("campaign_id").first()
    if first is None:
        raise TableError(f"table {table} has no user of the audience {audience!r}: run build_features, or score all")
    return str(first["campaign_id"])


def _write(scores: DataFrame, claimed: Claim, sources: tuple[TableVersion, ...]) -> None:
    try:
        write_table(finite_or_fail(scores), claimed.table, kind="scores", replace_where=claimed, built_from=sources)
    except (PySparkException, Py4JJavaError) as error:
        if is_not_finite_failure(error):
            raise not_finite_error(scores) from error
        raise

"""`score` on real tables: the executors compute what training computed, or nothing is written."""

from __future__ import annotations

import math
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import MissingColumnError
from ptofa_spark.features.pair import CampaignPairs
from ptofa_spark.feed.blocks import Features
from ptofa_spark.scoring.pairs import predict_examples
from ptofa_spark.scoring.score import score, scored_users
from ptofa_spark.scoring.scorer import CampaignFunds, loaded, score_users
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.tables.contracts.schemas import COMPACT_SCORES
from ptofa_spark.tables.delta.writing import in_session, write_table
from ptofa_spark.training.artifact import Artifact, read_artifact, unpack, write_artifact
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import train
from tests.feed.feature_tables import FUNDS, write_feature_tables
from tests.run_job import run_job
from tests.same_table import assert_same_table

USERS = 1_700
FUND_IDS = sorted(FUNDS["fund_id"])


@pytest.fixture(scope="module")
def warehouse(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Feature tables, and a model trained on them under `model`."""
    path = str(tmp_path_factory.mktemp("warehouse"))
    write_feature_tables(spark, path, users=USERS)
    train(spark, TrainSettings(warehouse=path, model_dir=f"{path}/model", epochs=1, learning_rate=0.01))
    return path


def scored(spark: SparkSession, warehouse: str, output: Path, **more: str) -> pd.DataFrame:
    settings = {"warehouse": warehouse, "model_dir": f"{warehouse}/model", "output": str(output), **more}
    score(spark, ScoreSettings.model_validate(settings))
    rows: pd.DataFrame = spark.read.format("delta").load(str(output)).orderBy("user_id").toPandas()
    return rows


@dataclass(frozen=True)
class Scores:
    """A score table. rows: by user_id."""

    place: Path
    rows: pd.DataFrame

    def of_funds(self) -> np.ndarray:
        """Expected revenue, (users, funds)."""
        return np.stack(self.rows["expected_revenue"].to_list())


@pytest.fixture(scope="module")
def everyone(spark: SparkSession, warehouse: str, tmp_path_factory: pytest.TempPathFactory) -> Scores:
    """The scores of every user. To read."""
    place = tmp_path_factory.mktemp("everyone") / "scores"
    return Scores(place, scored(spark, warehouse, place))


def pairs_in_plain_python(spark: SparkSession, warehouse: str) -> pd.DataFrame:
    """Every user with every fund. The features of each pair are computed by themselves from the user's purchases."""
    users = spark.read.format("delta").load(f"{warehouse}/user_features").orderBy("user_id").toPandas()
    funds = spark.read.format("delta").load(f"{warehouse}/fund_features").orderBy("fund_id").toPandas()
    pairs = users.drop(columns="campaign_id").merge(funds.drop(columns="campaign_id"), how="cross")

    def times(tally: object, key: object) -> float:
        return dict(tally).get(key, 0.0)  # type: ignore[call-overload, no-any-return]

    rows = list(pairs.itertuples())
    return pairs.assign(
        p_bought_fund=[math.log1p(times(row.purchases_by_fund, row.fund_id)) for row in rows],
        p_bought_type=[math.log1p(times(row.purchases_by_type, row.f_fund_type)) for row in rows],
        p_risk_gap=[float(row.risk_tolerance - row.risk_level) for row in rows],
        p_type_share=[
            times(row.purchases_by_type, row.f_fund_type) / max(sum(dict(row.purchases_by_fund).values()), 1.0)
            for row in rows
        ],
    )


def test_every_pair_is_scored_as_in_training(spark: SparkSession, warehouse: str, everyone: Scores) -> None:
    pairs = pairs_in_plain_python(spark, warehouse)
    trained = unpack(read_artifact(f"{warehouse}/model"))
    encoding = trained.encoding
    features = Features(*[block.block(pairs) for block in encoding.blocks])
    with torch.inference_mode():
        wanted = trained.model.predict(trained.model(features)).expected_revenue.numpy().reshape(USERS, len(FUNDS))
    found = everyone.of_funds()
    assert found.shape == (USERS, len(FUNDS))
    assert wanted.std() > 0.05 * wanted.mean()
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert all(list(ids) == FUND_IDS for ids in everyone.rows["fund_ids"])


@pytest.mark.parametrize("count", [1, 200])
def test_a_funds_scores_do_not_depend_on_how_many_there_are(
    spark: SparkSession, warehouse: str, everyone: Scores, count: int
) -> None:
    """The first fund alone, and all of them beside many new ones."""
    wanted = everyone.of_funds()
    users = spark.read.format("delta").load(f"{warehouse}/user_features")
    funds = spark.read.format("delta").load(f"{warehouse}/fund_features").where("campaign_id = 'target'")
    if count == 1:
        funds = funds.where(funds["fund_id"] == FUND_IDS[0])
    else:
        new = funds.limit(1).crossJoin(spark.range(count - len(FUND_IDS)).toDF("n"))
        names = F.format_string("zz-%03d", "n")
        funds = funds.unionByName(new.withColumns({"fund_id": names, "f_fund_id": names}).drop("n"))
    scores = scored_users(users, funds, read_artifact(f"{warehouse}/model"))
    plan = scores._jdf.queryExecution().executedPlan().toString()
    assert "pythonUDF0" in plan  # the network runs once per user,
    assert "pythonUDF1" not in plan  # not once per fund
    table = scores.orderBy("user_id").toPandas()
    found = np.stack(table["expected_revenue"].to_list())
    assert found.shape == (USERS, count)
    ids = list(table["fund_ids"][0])
    same = [fund for fund in FUND_IDS if fund in ids]
    assert len(same) == min(count, len(FUND_IDS))
    places, few = [ids.index(fund) for fund in same], [FUND_IDS.index(fund) for fund in same]
    np.testing.assert_allclose(found[:, places], wanted[:, few], rtol=1e-5)


def test_the_table_keeps_its_contract(spark: SparkSession, warehouse: str, everyone: Scores) -> None:
    table = spark.read.format("delta").load(str(everyone.place))
    assert [(f.name, f.dataType) for f in table.schema] == [(f.name, f.dataType) for f in COMPACT_SCORES]
    users = spark.read.format("delta").load(f"{warehouse}/user_features")
    keys = ["campaign_id", "user_id", "risk_tolerance"]
    assert_same_table(table.select(*keys), users.select(*keys))


def test_neither_partitions_nor_batches_change_a_bit_of_a_score(
    spark: SparkSession, warehouse: str, everyone: Scores, tmp_path: Path
) -> None:
    whole = everyone.rows
    users = spark.read.format("delta").load(f"{warehouse}/user_features")
    write_table(
        users.repartition(7, "user_id").sortWithinPartitions(users["user_id"].desc()), f"{tmp_path}/user_features"
    )
    shutil.copytree(f"{warehouse}/fund_features", tmp_path / "fund_features")
    with in_session(spark, {"spark.sql.execution.arrow.maxRecordsPerBatch": "37"}):
        torn = scored(spark, str(tmp_path), tmp_path / "torn", model_dir=f"{warehouse}/model")
    assert whole["user_id"].tolist() == torn["user_id"].tolist()
    assert np.array_equal(np.stack(whole["expected_revenue"].to_list()), np.stack(torn["expected_revenue"].to_list()))


def test_the_test_audience_is_the_test_split_and_replaces_only_the_campaigns_rows(
    spark: SparkSession, warehouse: str, everyone: Scores, tmp_path: Path
) -> None:
    place = shutil.copytree(everyone.place, tmp_path / "scores")
    table = spark.read.format("delta").load(str(place))
    earlier = table.limit(10).selectExpr("'earlier' AS campaign_id", *table.columns[1:])
    earlier.write.format("delta").mode("append").save(str(place))
    rows = scored(spark, warehouse, place, audience="test")
    assert (rows["campaign_id"] == "earlier").sum() == 10
    some = rows[rows["campaign_id"] == "target"].set_index("user_id")["expected_revenue"]
    users = spark.read.format("delta").load(f"{warehouse}/user_features").where("split = 'test'").toPandas()
    assert sorted(some.index) == sorted(users["user_id"])
    assert 10 + len(some) == len(rows)
    assert 0 < len(some) < USERS
    before = everyone.rows.set_index("user_id")["expected_revenue"]
    assert all(np.array_equal(some[user], before[user]) for user in some.index)


def spoiled(warehouse: str, model_dir: Path, word: str, value: float = math.nan) -> None:
    """Writes a model whose vector of one city is of this value."""
    artifact = read_artifact(f"{warehouse}/model")
    encoding = unpack(artifact).encoding
    weights = safetensors.torch.load(artifact.weights)
    code = encoding.encoders.vocabularies["u_city"].index(word) + 2
    weights["embedding.user.table.weight"][code] = value
    write_artifact(Artifact(safetensors.torch.save(weights), artifact.model, artifact.encoders), {}, str(model_dir))


@pytest.mark.parametrize(("value", "again"), [(math.nan, False), (math.inf, True)])
def test_a_score_that_is_no_number_is_refused_with_its_users_and_writes_nothing(
    spark: SparkSession,
    warehouse: str,
    everyone: Scores,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    value: float,
    again: bool,
) -> None:
    """Into a new table, and into one that keeps its earlier scores."""
    place = tmp_path / "scores"
    if again:
        shutil.copytree(everyone.place, place)
    spoiled(warehouse, tmp_path / "spoiled", "South", value)
    users = spark.read.format("delta").load(f"{warehouse}/user_features").where("u_city = 'South'")
    first = [row["user_id"] for row in users.select("user_id").orderBy("user_id").take(5)]
    words = ("--warehouse", warehouse, "--model-dir", str(tmp_path / "spoiled"), "--output", str(place))
    level = spark._jvm.org.apache.logging.log4j.LogManager.getRootLogger().getLevel().name()  # type: ignore[union-attr]
    code, line = run_job("score", *words, capsys=capsys)
    assert code == 2
    assert spark._jvm.org.apache.logging.log4j.LogManager.getRootLogger().getLevel().name() == level  # type: ignore[union-attr]
    assert f"NaN or infinite for users {', '.join(map(str, first))} (the first 5)" in line
    assert "no score was written" in line
    if again:
        after = Scores(place, spark.read.format("delta").load(str(place)).orderBy("user_id").toPandas())
        assert after.rows["user_id"].tolist() == everyone.rows["user_id"].tolist()
        assert np.array_equal(after.of_funds(), everyone.of_funds())
    else:
        assert not list(place.glob("_delta_log/*.json"))


def test_a_worker_builds_the_model_once(spark: SparkSession, warehouse: str) -> None:
    artifact = read_artifact(f"{warehouse}/model")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        model = loaded(artifact)
        assert torch.get_num_threads() == 1
        # Another worker's task unpickles bytes of its own.
        assert loaded(pickle.loads(pickle.dumps(artifact))) is model
    finally:
        torch.set_num_threads(threads)


def test_a_users_part_is_computed_once_for_all_funds(spark: SparkSession, warehouse: str) -> None:
    model = loaded(read_artifact(f"{warehouse}/model"))
    rows = spark.read.format("delta").load(f"{warehouse}/fund_features").where("campaign_id = 'target'")
    funds = rows.orderBy("fund_id").collect()
    pairs = CampaignPairs.of(funds)
    columns = pd.DataFrame([row.asDict() for row in funds])[list(model.encoding.fund.columns)]
    table = spark.read.format("delta").load(f"{warehouse}/user_features").limit(64)
    users = table.select(*model.encoding.user.columns, *pairs.columns()).toPandas()
    embedded: list[tuple[int, ...]] = []
    watch = model.model.embedding.user.register_forward_hook(lambda _, __, vectors: embedded.append(vectors.shape[:-1]))
    try:
        assert score_users(model, CampaignFunds(pairs, columns), users).shape == (64, len(FUNDS))
    finally:
        watch.remove()
    assert embedded
    assert all(shape[1:] == (1,) for shape in embedded)


def test_predictions_of_examples_agree_with_the_scores(spark: SparkSession, warehouse: str, everyone: Scores) -> None:
    examples = spark.read.format("delta").load(f"{warehouse}/examples")
    said = predict_examples(examples, f"{warehouse}/model")
    assert said.columns == [*examples.columns, "p_c", "mu", "sigma", "predicted_log10", "predicted_revenue"]
    rows = said.toPandas()
    assert len(rows) == USERS
    money = rows["p_c"] * np.exp(rows["mu"] + rows["sigma"] ** 2 / 2)
    np.testing.assert_allclose(rows["predicted_revenue"], money, rtol=1e-12)
    np.testing.assert_allclose(rows["predicted_log10"], rows["p_c"] * rows["mu"] / math.log(10), rtol=1e-12)
    by_user = everyone.rows.set_index("user_id")["expected_revenue"]
    scores = [by_user[row.user_id][FUND_IDS.index(row.fund_id)] for row in rows.itertuples()]
    np.testing.assert_allclose(rows["predicted_revenue"], scores, rtol=1e-5)


def test_bad_input_fails_in_one_line(
    spark: SparkSession, warehouse: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(warehouse: str, model_dir: str) -> str:
        words = ("--warehouse", warehouse, "--model-dir", model_dir, "--output", str(tmp_path / "scores"))
        code, line = run_job("score", *words, capsys=capsys)
        assert code == 2
        assert not (tmp_path / "scores").exists()
        return line

    assert "holds no trained model" in refusal(warehouse, str(tmp_path / "none"))
    assert "user_features does not exist" in refusal(str(tmp_path / "nowhere"), f"{warehouse}/model")
    users = spark.read.format("delta").load(f"{warehouse}/user_features")
    for name, rows in {"poor": users.drop("u_age"), "empty": users.where("user_id < 0")}.items():
        write_table(rows, f"{tmp_path}/{name}/user_features")
        shutil.copytree(f"{warehouse}/fund_features", f"{tmp_path}/{name}/fund_features")
    assert "table user_features lacks column(s) u_age" in refusal(f"{tmp_path}/poor", f"{warehouse}/model")
    assert "has no user of the audience 'all'" in refusal(f"{tmp_path}/empty", f"{warehouse}/model")
    with pytest.raises(MissingColumnError, match="examples lacks column"):
        predict_examples(users, f"{warehouse}/model")

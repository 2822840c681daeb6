"""Tables by path and by name: their content tells the format, their contract is checked, one commit writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from ptofa_spark.errors import MissingColumnError, TableError
from ptofa_spark.tables.contracts.schemas import DEMANDS, USERS
from ptofa_spark.tables.delta import commits
from ptofa_spark.tables.delta.commits import TableVersion, claim, delta_version, require_alone, require_unwritten
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import TableName, in_warehouse, sql_string
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.tables.reading import read_table

ROWS = [("spring", "基金", 4), ("spring", "b`ond", 6), ("it's", "b`ond", 1)]


@pytest.mark.parametrize(
    ("text", "in_catalog"),
    [
        ("main.ptofa.scores", True),
        ("ptofa.scores", True),
        ("scores", False),
        ("warehouse/scores", False),
        ("./a.b", False),
        ("s3://bucket/a.b", False),
        ("a.b.c.d", False),
        ("allocation.csv", False),
        ("main.ptofa.PARQUET", False),
    ],
)
def test_two_or_three_dotted_words_are_a_catalog_name(text: str, in_catalog: bool) -> None:
    assert TableName.parse(text).in_catalog is in_catalog


def test_a_file_whose_name_has_a_dot_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scores.csv").write_text("x\n")
    assert not TableName.parse("scores.csv").in_catalog


def test_a_warehouse_is_a_schema_or_a_folder() -> None:
    assert in_warehouse("main.ptofa", "t") == "main.ptofa.t"
    assert in_warehouse("a/b/", "t") == "a/b/t"


def test_names_are_quoted(spark: SparkSession) -> None:
    assert TableName.parse("main.ptofa.t").sql() == "`main`.`ptofa`.`t`"
    for value in ("it's", "back\\slash", 'quote" and `tick`', "') OR ('1'='1"):
        assert spark.sql(f"SELECT {sql_string(value)} AS v").collect()[0]["v"] == value


@pytest.mark.parametrize("form", ["delta", "parquet", "csv"])
def test_content_tells_the_format(spark: SparkSession, tmp_path: Path, form: str) -> None:
    place = str(tmp_path / "demands")
    spark.createDataFrame(ROWS, DEMANDS).write.format(form).option("header", True).save(place)
    found = read_table(spark, place, DEMANDS)
    assert [(field.name, field.dataType) for field in found.schema] == [(f.name, f.dataType) for f in DEMANDS]
    assert sorted(map(tuple, found.collect())) == sorted(ROWS)


def test_extra_columns_are_kept_only_where_asked(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("age,user_id,risk_tolerance,city\n41,1,3,東京\n")
    place = str(tmp_path / "users.csv")
    assert read_table(spark, place, USERS).columns == ["user_id", "risk_tolerance"]
    kept = read_table(spark, place, USERS, keep_extra=True)
    assert kept.columns == ["user_id", "risk_tolerance", "age", "city"]
    assert tuple(kept.collect()[0]) == (1, 3, 41, "東京")


@pytest.mark.parametrize(
    ("csv", "error", "said"),
    [
        (
            "user_id,tolerance\n1,2\n",
            MissingColumnError,
            r"lacks column\(s\) risk_tolerance; it has user_id, tolerance",
        ),
        ("user_id,risk_tolerance\n1,high\n", TableError, "column risk_tolerance holds 'high', which is no int"),
        (
            "user_id,risk_tolerance\nu-17,1\n",
            TableError,
            "holds 'u-17', which is no bigint: a user_id is .* at most 64",
        ),
        ("user_id,risk_tolerance\n1,\n2,3\n", TableError, r"column risk_tolerance is null in 1 row\(s\)"),
        ("user_id,risk_tolerance\n99999999999999999999,1\n", TableError, "holds '99999999999999999999'"),
    ],
)
def test_a_table_that_breaks_its_contract_is_named(
    spark: SparkSession, tmp_path: Path, csv: str, error: type[Exception], said: str
) -> None:
    (tmp_path / "users.csv").write_text(csv)
    with pytest.raises(error, match=said):
        read_table(spark, str(tmp_path / "users.csv"), USERS)


def test_a_value_that_the_contracts_type_would_change_is_named(spark: SparkSession, tmp_path: Path) -> None:
    place = str(tmp_path / "demands")
    spark.createDataFrame([("c", "f", 7.5)], "campaign_id string, fund_id string, demand double").write.parquet(place)
    with pytest.raises(TableError, match=r"column demand holds '7\.5', which is no bigint"):
        read_table(spark, place, DEMANDS)


def test_an_absent_table_is_named(spark: SparkSession, tmp_path: Path) -> None:
    assert not table_exists(spark, str(tmp_path / "none"))
    with pytest.raises(TableError, match=f"{tmp_path}/none does not exist"):
        read_table(spark, str(tmp_path / "none"), DEMANDS)
    with pytest.raises(TableError, match=r"no table nowhere\.demands in the catalog, and no such file or folder"):
        read_table(spark, "nowhere.demands", DEMANDS)
    with pytest.raises(TableError, match=r"table nowhere\.csv does not exist"):
        read_table(spark, "nowhere.csv", DEMANDS)


def test_a_pinned_table_stays_what_it_was(spark: SparkSession, tmp_path: Path) -> None:
    place = str(tmp_path / "demands")
    write_table(spark.createDataFrame(ROWS, DEMANDS), place)
    tables = PinnedTables(spark)
    before = tables.read(place, DEMANDS)
    write_table(spark.createDataFrame([("autumn", "other", 9)], DEMANDS), place)
    assert sorted(map(tuple, before.collect())) == sorted(ROWS)
    assert tables.read(place, DEMANDS).count() == len(ROWS)
    assert PinnedTables(spark).read(place, DEMANDS).count() == 1
    assert PinnedTables(spark, tables.versions).read(place, DEMANDS).count() == len(ROWS)
    assert tables.versions == (TableVersion(place, 0),)


@pytest.fixture(scope="module")
def renewed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table of which a second commit replaced one campaign."""
    place = str(tmp_path_factory.mktemp("renewed") / "demands")
    write_table(spark.createDataFrame(ROWS, DEMANDS), place)
    renewed = spark.createDataFrame([("it's", "new", 9)], DEMANDS)
    where = f"campaign_id = {sql_string(chr(105) + 't' + chr(39) + 's')}"
    write_table(renewed, place, replace_where=where, built_from=[TableVersion("scores", 12)])
    return place


def test_replacing_a_campaign_leaves_the_others(spark: SparkSession, renewed: str) -> None:
    assert sorted(map(tuple, read_table(spark, renewed, DEMANDS).collect())) == sorted([*ROWS[:2], ("it's", "new", 9)])


def test_an_earlier_version_can_be_read(spark: SparkSession, renewed: str) -> None:
    assert sorted(map(tuple, read_table(spark, renewed, DEMANDS, version=0).collect())) == sorted(ROWS)


def test_a_commit_records_its_sources(spark: SparkSession, renewed: str) -> None:
    commit = DeltaTable.forPath(spark, renewed).history(1).collect()[0]
    said = json.loads(commit["userMetadata"])
    assert said["built_from"] == {"scores": 12}
    assert said["replaced"] == "campaign_id = 'it\\u0027s'"


def test_a_table_has_no_deletion_vectors(spark: SparkSession, renewed: str) -> None:
    """Petastorm reads the Parquet files themselves: a row that is deleted must not be in them."""
    properties = DeltaTable.forPath(spark, renewed).detail().collect()[0]["properties"]
    assert properties["delta.enableDeletionVectors"] == "false"


def test_a_first_write_that_was_cut_off_leaves_no_table(spark: SparkSession, tmp_path: Path) -> None:
    place = str(tmp_path / "scores")
    rows = spark.range(400, numPartitions=4)
    torn = rows.withColumn("x", F.when(rows["id"] > 390, F.raise_error(F.lit("torn")).cast("int")).otherwise(1))
    with pytest.raises(Py4JJavaError, match="torn"):
        write_table(torn, place)
    assert list((tmp_path / "scores").glob("part-*.parquet"))  # which Spark would read as a table of 390 rows
    with pytest.raises(TableError, match=f"{place} was never finished"):
        read_table(spark, place, StructType([StructField("id", LongType())]))
    write_table(rows, place)
    assert read_table(spark, place, StructType([StructField("id", LongType())])).count() == 400


def test_a_table_that_petastorm_reads_has_small_row_groups(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.range(60_000, numPartitions=1).select(
        F.col("id").alias("user_id"), *[F.rand(seed).alias(f"u_{seed}") for seed in range(8)]
    )
    for fed in (False, True):
        write_table(rows, str(tmp_path / str(fed)), fed=fed)
    groups = {fed: _rows_by_group(tmp_path / str(fed)) for fed in (False, True)}
    assert groups[False] == [60_000]
    assert len(groups[True]) > 2
    assert min(groups[True][:-1]) >= 5_000


def test_a_write_that_fails_leaves_the_sessions_settings(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.range(100).withColumnRenamed("id", "user_id")
    write_table(rows, str(tmp_path / "fed"), fed=True)
    spark.conf.set("parquet.page.row.count.limit", "9000")
    try:
        with pytest.raises(TableError, match="cannot be written"):
            write_table(rows, str(tmp_path / "fed"), replace_where="user_id < 5", fed=True)
        assert spark.conf.get("parquet.page.row.count.limit") == "9000"
    finally:
        spark.conf.unset("parquet.page.row.count.limit")
    assert spark.conf.get("parquet.block.size", None) is None


def _rows_by_group(table: Path) -> list[int]:
    (file,) = table.glob("*.parquet")
    found = pq.ParquetFile(file).metadata
    return [found.row_group(place).num_rows for place in range(found.num_row_groups)]


def test_a_catalog_table_is_known_by_its_name(spark: SparkSession) -> None:
    spark.sql("DROP TABLE IF EXISTS default.ptofa_test_demands")
    try:
        for _ in range(2):
            write_table(spark.createDataFrame(ROWS, DEMANDS), "default.ptofa_test_demands", replace_where="demand >= 0")
        assert table_exists(spark, "default.ptofa_test_demands")
        assert read_table(spark, "default.ptofa_test_demands", DEMANDS).count() == 3
        assert delta_version(spark, "default.ptofa_test_demands").version is not None
    finally:
        spark.sql("DROP TABLE IF EXISTS default.ptofa_test_demands")


def test_only_a_write_of_the_same_rows_is_a_conflict(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compaction is no conflict, nor is a write of other rows. A commit that does not name its rows is one."""
    place = str(tmp_path / "demands")
    write_table(spark.createDataFrame(ROWS, DEMANDS), place)
    table = DeltaTable.forPath(spark, place)
    claimed = claim(spark, place, "campaign_id = 'spring'")
    table.optimize().executeCompaction()
    other = spark.createDataFrame([("autumn", "cash", 3)], DEMANDS)
    with monkeypatch.context() as another_run:
        another_run.setattr(commits, "RUN_ID", "another")
        write_table(other, place, replace_where="campaign_id = 'autumn'")
    before = require_unwritten(spark, claimed)
    spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", "nightly job")
    try:
        table.delete("campaign_id = 'spring'")
    finally:
        spark.conf.unset("spark.databricks.delta.commitInfo.userMetadata")
    with pytest.raises(TableError, match="another run wrote the rows"):
        require_unwritten(spark, claimed)
    write_table(spark.createDataFrame(ROWS[:2], DEMANDS), place, replace_where=claimed.rows)
    with pytest.raises(TableError, match="at the same moment"):
        require_alone(spark, claimed, before)


def test_a_version_is_that_of_the_newest_commit(spark: SparkSession, tmp_path: Path) -> None:
    """A version is read without a Spark job where Delta's classes are as expected, and by the history elsewhere."""
    place = str(tmp_path / "demands")
    for version in range(3):
        write_table(spark.createDataFrame(ROWS, DEMANDS), place)
        jobs = len(spark.sparkContext.statusTracker().getJobIdsForGroup())
        assert delta_version(spark, place) == TableVersion(place, version)
        assert len(spark.sparkContext.statusTracker().getJobIdsForGroup()) == jobs
        assert DeltaTable.forPath(spark, place).history(1).collect()[0]["version"] == version


def test_a_view_of_the_catalog_has_no_version(spark: SparkSession) -> None:
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW seen AS SELECT 1 AS x")
    assert delta_version(spark, "nowhere.seen") == TableVersion("nowhere.seen", None)

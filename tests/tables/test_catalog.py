"""Where a job may write: into a Delta table, or where nothing is. It writes in one commit of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.config import validated
from ptofa_spark.errors import ConfigError, TableError
from ptofa_spark.running.delta_jars import DELTA_PACKAGE
from ptofa_spark.tables.contracts.schemas import ALLOCATION
from ptofa_spark.tables.delta import commits
from ptofa_spark.tables.delta.commits import claim, require_alone
from ptofa_spark.tables.delta.targets import require_target
from ptofa_spark.tables.delta.writing import write_table
from tests.run_job import JOBS, run_job

SCHEMA = "ptofa_targets"
COLUMNS = "campaign_id STRING, user_id BIGINT, slot INT, fund_id STRING, expected_revenue DOUBLE"
ROWS = [("spring", 1, 1, "bond", 2.0), ("spring", 2, 1, "cash", 3.0)]
SPRING = "campaign_id = 'spring'"


@pytest.fixture(scope="module")
def catalog(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A schema of the session's catalog; the folder of its tables."""
    folder = tmp_path_factory.mktemp("catalog")
    spark.sql(f"CREATE SCHEMA {SCHEMA} LOCATION '{folder}'")
    yield folder
    spark.sql(f"DROP SCHEMA {SCHEMA} CASCADE")


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Arguments of `allocate` for a campaign of two users and two funds."""
    root = tmp_path_factory.mktemp("campaign")
    pairs = "".join(f"{user},5,{fund},{user}\n" for user in (1, 2) for fund in ("bond", "cash"))
    (root / "scores.csv").write_text(f"user_id,risk_tolerance,fund_id,expected_revenue\n{pairs}")
    (root / "funds.csv").write_text("fund_id,risk_level\nbond,1\ncash,1\n")
    (root / "demands.csv").write_text("campaign_id,fund_id,demand\nspring,bond,1\nspring,cash,1\n")
    tables = {"expected_revenue": "scores.csv", "funds": "funds.csv", "demands": "demands.csv"}
    return {name: str(root / file) for name, file in tables.items()} | {"report": str(root / "report")}


def rows_of(spark: SparkSession, table: str) -> list[tuple[object, ...]]:
    frame = spark.read.format("delta").load(table) if "/" in table else spark.table(table)
    return sorted(tuple(row) for row in frame.select(*ALLOCATION.names).collect())


def test_every_run_into_a_catalog_table_commits_once(
    spark: SparkSession, catalog: Path, campaign: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first commit too says what it was built from. The session keeps its own setting for what commits say."""
    spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", "nightly")
    try:
        for version in range(2):
            words = [f"--{name.replace('_', '-')}={value}" for name, value in campaign.items()]
            code, line = run_job("allocate", *words, f"--output={SCHEMA}.allocation", capsys=capsys)
            assert (code, (Path(campaign["report"]) / "allocation.json").is_file()) == (0, True), line
            commit = DeltaTable.forName(spark, f"{SCHEMA}.allocation").history(1).collect()[0]
            assert commit["version"] == version
            said = json.loads(commit["userMetadata"])
            assert campaign["funds"] in said["built_from"]
            assert said["replaced"] == SPRING
        assert spark.conf.get("spark.databricks.delta.commitInfo.userMetadata") == "nightly"
    finally:
        spark.conf.unset("spark.databricks.delta.commitInfo.userMetadata")
    assert len(rows_of(spark, f"{SCHEMA}.allocation")) == 2


def test_another_runs_first_write_of_the_same_rows_is_a_conflict(spark: SparkSession, catalog: Path) -> None:
    claimed = claim(spark, f"{SCHEMA}.raced", SPRING, ALLOCATION)
    theirs = spark.createDataFrame(ROWS, ALLOCATION)
    theirs.write.format("delta").saveAsTable(f"{SCHEMA}.raced")
    with pytest.raises(TableError, match="another run wrote the rows"):
        write_table(spark.createDataFrame(ROWS[:1], ALLOCATION), f"{SCHEMA}.raced", replace_where=claimed)
    assert rows_of(spark, f"{SCHEMA}.raced") == ROWS
    write_table(spark.createDataFrame(ROWS[:1], ALLOCATION), f"{SCHEMA}.raced", replace_where=SPRING)
    with pytest.raises(TableError, match="at the same moment"):
        require_alone(spark, claimed, before=-1)


def test_first_writes_of_two_campaigns_are_both_kept(
    spark: SparkSession, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run found no table. When it writes, the other run's table is there, with another campaign's rows."""
    autumn = [("autumn", *row[1:]) for row in ROWS]
    for output in (f"{SCHEMA}.both", str(tmp_path / "both")):
        claimed = claim(spark, output, SPRING, ALLOCATION)
        with monkeypatch.context() as other:
            other.setattr(commits, "RUN_ID", "another")
            theirs = claim(spark, output, "campaign_id = 'autumn'", ALLOCATION)
            write_table(spark.createDataFrame(autumn, ALLOCATION), output, replace_where=theirs)
        write_table(spark.createDataFrame(ROWS, ALLOCATION), output, replace_where=claimed)
        assert rows_of(spark, output) == [*autumn, *ROWS]


def test_an_output_that_is_no_delta_table_is_refused(spark: SparkSession, catalog: Path, tmp_path: Path) -> None:
    rows = spark.createDataFrame(ROWS, ALLOCATION)
    for form in ("parquet", "csv"):
        rows.write.format(form).saveAsTable(f"{SCHEMA}.in_{form}")
        rows.write.format(form).save(str(tmp_path / form))
    spark.sql(f"CREATE VIEW {SCHEMA}.seen AS SELECT * FROM {SCHEMA}.in_parquet")
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes").write_text("x")
    (catalog / "left").mkdir()
    (catalog / "left" / "part").write_text("x")
    rows.write.format("delta").save(str(catalog / "forgotten"))
    refused = {
        f"{SCHEMA}.in_parquet": "is a table of parquet, whose rows would be lost",
        f"{SCHEMA}.in_csv": "is a table of csv, whose rows would be lost",
        f"{SCHEMA}.seen": "is a view",
        f"{SCHEMA}.left": "remove the folder",
        f"{SCHEMA}.forgotten": "CREATE TABLE .*LOCATION",
        "nowhere.allocation": "this Spark knows no schema nowhere",
        "nowhere.ptofa.allocation": "this Spark knows no schema nowhere.ptofa",
        str(tmp_path / "parquet"): "holds files that are no Delta table",
        str(tmp_path / "csv"): "holds files that are no Delta table",
        str(tmp_path / "folder"): "holds files that are no Delta table",
        str(tmp_path): "holds files that are no Delta table",
        str(tmp_path / "file"): "is a file, and a Delta table is a folder",
        str(tmp_path / "file" / "below"): "is a file, and a Delta table is a folder",
        "allocation.csv": "name a folder",
        f"{tmp_path}/allocation.parquet": "name a folder",
        "main.ptofa.csv": "name a folder",
        "a:b": "write ./a:b",
    }
    for output, said in refused.items():
        for attempt in (lambda to: require_target(spark, to), lambda to: write_table(rows.limit(1), to)):
            with pytest.raises(TableError, match=said) as found:
                attempt(output)
            assert "\n" not in str(found.value)
            assert "ALTER TABLE null" not in str(found.value)
    assert rows_of(spark, f"{SCHEMA}.in_parquet") == rows_of(spark, f"{SCHEMA}.seen") == ROWS
    assert spark.read.parquet(str(tmp_path / "parquet")).count() == len(ROWS)


def test_a_job_refuses_its_output_before_it_reads_a_score(
    spark: SparkSession, catalog: Path, campaign: dict[str, str], tmp_path: Path
) -> None:
    """The file that is given as scores holds none: reading it would be another error."""
    spark.createDataFrame(ROWS, ALLOCATION).write.format("parquet").saveAsTable(f"{SCHEMA}.early")
    (tmp_path / "empty.csv").write_text("nothing\n")
    given = campaign | {"expected_revenue": str(tmp_path / "empty.csv"), "output": f"{SCHEMA}.early"}
    with pytest.raises(TableError, match="whose rows would be lost"):
        allocate(spark, AllocateSettings(**given))


def test_a_table_that_cannot_take_the_rows_is_refused_when_they_are_claimed(
    spark: SparkSession, catalog: Path, tmp_path: Path
) -> None:
    refused = {
        "append": (f"({COLUMNS}) USING delta TBLPROPERTIES (delta.appendOnly = true)", "delta.appendOnly = true"),
        "text": (f"({COLUMNS}) USING delta".replace("BIGINT", "STRING"), "user_id is string there, .* writes bigint"),
        "padded": (f"({COLUMNS}) USING delta".replace("fund_id STRING", "fund_id CHAR(9)"), r"fund_id is char\(9\)"),
        "other": ("(campaign_id STRING, fund_id STRING, demand BIGINT) USING delta", "lacks .*user_id.* has .*demand"),
        "required": (f"({COLUMNS}, source STRING NOT NULL) USING delta", "source is NOT NULL"),
    }
    for name, (ddl, said) in refused.items():
        for table, argument in (
            (f"{SCHEMA}.{name}", f"{SCHEMA}.{name}"),
            (f"delta.`{tmp_path}/{name}`", str(tmp_path / name)),
        ):
            spark.sql(f"CREATE TABLE {table} {ddl}")
            with pytest.raises(TableError, match=said):
                claim(spark, argument, SPRING, ALLOCATION)


def test_a_table_that_a_user_made_keeps_its_rules(spark: SparkSession, catalog: Path, tmp_path: Path) -> None:
    """Columns that the job does not know become null. The refusal of a row names the table's rule that it breaks."""
    made = COLUMNS.replace("BIGINT", "BIGINT NOT NULL")
    for table, argument in ((f"{SCHEMA}.own", f"{SCHEMA}.own"), (f"delta.`{tmp_path}/own`", str(tmp_path / "own"))):
        spark.sql(f"CREATE TABLE {table} ({made}, source STRING) USING delta PARTITIONED BY (campaign_id)")
        spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT few CHECK (expected_revenue < 100)")
        spark.sql(f"INSERT INTO {table} VALUES ('autumn', 7, 1, 'bond', 1.0, 'by hand')")
        for _ in range(2):
            claimed = claim(spark, argument, SPRING, ALLOCATION)
            write_table(spark.createDataFrame(ROWS, ALLOCATION), argument, kind="allocation", replace_where=claimed)
        assert rows_of(spark, argument) == [("autumn", 7, 1, "bond", 1.0), *ROWS]
        dear = spark.createDataFrame([("spring", 3, 1, "bond", 500.0)], ALLOCATION)
        with pytest.raises(TableError, match=r"CHECK constraint few \(expected_revenue < 100\) violated"):
            write_table(dear, argument, replace_where=SPRING)
        typed = dear.withColumn("user_id", F.lit("u-3"))
        with pytest.raises(TableError, match="user_id is bigint there, and the job writes string"):
            write_table(typed, argument, replace_where=SPRING)
        assert rows_of(spark, argument) == [("autumn", 7, 1, "bond", 1.0), *ROWS]


def test_a_path_is_written_as_it_is_spelt(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.createDataFrame(ROWS, ALLOCATION).coalesce(1)
    for name in ("a[1]{b,c}*?", "_a %20b", ".é:e\u0301#x"):
        write_table(rows, str(tmp_path / name), replace_where=claim(spark, str(tmp_path / name), SPRING, ALLOCATION))
        assert (tmp_path / name / "_delta_log").is_dir()
        assert rows_of(spark, str(tmp_path / name)) == ROWS


def test_a_report_is_a_folder_of_the_drivers_disk(campaign: dict[str, str]) -> None:
    given = campaign | {"output": "out", "report": "file:///tmp/r%C3%A9sum%C3%A9%20a"}
    assert validated(AllocateSettings, given, "allocate").report == "/tmp/résumé a"
    for uri in ("s3://b/r", "hdfs://h/r", "dbfs:/r", "file://host/r", "file:r", "file:///%ff"):
        with pytest.raises(ConfigError, match=r"^allocate: report = .*give"):
            validated(AllocateSettings, given | {"report": uri}, "allocate")


def test_a_report_that_cannot_be_a_folder_is_refused(
    campaign: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    given = campaign | {"output": "out"}
    for report in ("file", "file/below", "file/below/that"):
        with pytest.raises(ConfigError, match=r"^allocate: report = .*/file is a file: name a folder"):
            validated(AllocateSettings, given | {"report": str(tmp_path / report)}, "allocate")
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "access", lambda folder, _: folder.name != "closed")  # the superuser may write anywhere
    with pytest.raises(ConfigError, match=r"^allocate: report = .*/closed cannot be written by this user"):
        validated(AllocateSettings, given | {"report": str(tmp_path / "closed" / "new")}, "allocate")
    with pytest.raises(ConfigError, match=r"^allocate: report = .*no folder of this name can be made"):
        validated(AllocateSettings, given | {"report": str(tmp_path / ("a" * 300))}, "allocate")
    assert validated(AllocateSettings, given | {"report": str(tmp_path / "a" / "b")}, "allocate").report


@pytest.mark.long
def test_two_sessions_share_a_table_by_a_metastore(campaign: dict[str, str], tmp_path: Path) -> None:
    """In Hive's embedded metastore the second session finds the first one's table. It replaces its rows."""
    spark_home = Path(pyspark.__file__).parent
    given = {"SPARK_HOME": str(spark_home), "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(JOBS.parent)}
    settings = {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.shuffle.partitions": 2,
        "spark.databricks.delta.snapshotPartitions": 2,
        "spark.sql.warehouse.dir": tmp_path / "tables",
        "spark.jars.packages": DELTA_PACKAGE,
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={tmp_path}/metastore;create=true",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    conf = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    words = [f"--{name.replace('_', '-')}={value}" for name, value in campaign.items()]
    submit = [spark_home / "bin" / "spark-submit", "--master", "local[2]"]
    for _ in range(2):
        ended = subprocess.run(
            [*submit, *conf, JOBS / "allocate.py", *words, "--output=default.allocation"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | given,
        )
        assert ended.returncode == 0, ended.stderr[-2_000:]
    log = tmp_path / "tables" / "allocation" / "_delta_log"
    assert len(list(log.glob("*.json"))) == 2

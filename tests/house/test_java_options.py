"""How Spark's JVM starts: what it is told, and for which inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ptofa_spark.pipeline.settings import RunPipelineSettings
from ptofa_spark.running.java import options
from ptofa_spark.running.java.options import SMALL_BYTES, SUBMIT_OPTIONS, java_variables, small_inputs
from ptofa_spark.simulator.settings import SMALL_USERS, GeneratePlatformSettings


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.prefix", str(tmp_path / "an environment"))
    return options.archive()


def test_options_of_the_user_stay_as_they_are(archive: Path) -> None:
    assert java_variables({}, small=False) == {}
    quick = java_variables({SUBMIT_OPTIONS: "-Dx=1"}, small=True)[SUBMIT_OPTIONS]
    assert quick.startswith("-XX:TieredStopAtLevel=1 ")
    assert quick.endswith(" -Dx=1")  # what stands later wins
    for own in ("-XX:TieredStopAtLevel=4", "-XX:InitialCodeCacheSize=300m"):
        assert java_variables({SUBMIT_OPTIONS: own}, small=True) == {}
        assert java_variables({"JAVA_TOOL_OPTIONS": own}, small=True) == {}
    archive.parent.mkdir(parents=True)
    archive.touch()
    assert java_variables({}, small=False) == {}  # it could not be written
    archive.write_bytes(b"classes")
    whole = java_variables({}, small=False)[SUBMIT_OPTIONS]
    assert whole.startswith(f'"-XX:SharedArchiveFile={archive}" ')
    assert "TieredStopAtLevel" not in whole
    assert java_variables({SUBMIT_OPTIONS: "-XX:SharedArchiveFile=/mine.jsa"}, small=False) == {}
    logging = java_variables({"JDK_JAVA_OPTIONS": "-Xlog:gc*:file=gc.log"}, small=False)[SUBMIT_OPTIONS]
    assert "-Xlog" not in logging


def test_inputs_are_small_if_all_are_files_of_this_machine_and_few_bytes(tmp_path: Path) -> None:
    table, other = tmp_path / "scores", tmp_path / "funds of all.csv"
    (table / "part").mkdir(parents=True)
    other.write_bytes(b"x")
    with (table / "part" / "0.parquet").open("wb") as file:
        file.truncate(SMALL_BYTES - 1)
    assert small_inputs(str(table), None, other.as_uri())
    other.write_bytes(b"xy")
    assert not small_inputs(str(table), str(other))
    assert small_inputs(str(table))
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "folder").symlink_to(table, target_is_directory=True)
    assert not small_inputs(str(tmp_path / "linked"))
    assert not small_inputs("x" * 300)
    for elsewhere in ("catalog.schema.scores", "s3://bucket/scores", "file://host/scores", str(tmp_path / "nothing")):
        assert not small_inputs(elsewhere), elsewhere


def test_a_platform_is_small_by_its_users_and_a_data_set_by_its_file(tmp_path: Path) -> None:
    assert GeneratePlatformSettings(users=SMALL_USERS).is_small()
    assert not GeneratePlatformSettings(users=SMALL_USERS + 1).is_small()
    assert RunPipelineSettings(users=SMALL_USERS).is_small()
    assert not RunPipelineSettings(users=SMALL_USERS + 1).is_small()
    source = tmp_path / "customers.csv"
    source.write_text("recency\n1\n", encoding="utf-8")
    assert RunPipelineSettings(dataset="hillstrom", source=str(source)).is_small()
    assert not RunPipelineSettings(dataset="hillstrom", source=str(tmp_path / "none.csv")).is_small()
    assert not RunPipelineSettings(dataset="completejourney").is_small()


def test_the_jvm_is_given_what_it_is_told(spark: SparkSession) -> None:
    assert spark._jvm is not None
    given = spark._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments()
    told = java_variables({}, small=True)[SUBMIT_OPTIONS].split()[0]
    assert told in [str(option) for option in given]
    assert any("SharedArchiveFile" in str(option) for option in given) == options.is_written(options.archive())

"""Delta's JARs are copied to Spark's own, where a session finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.find_spark_home import _find_spark_home

from ptofa_spark.running.delta_jars import DELTA_PACKAGE, has_delta, keep_jars

_, ARTIFACT, VERSION = DELTA_PACKAGE.split(":")
DELTA = f"{ARTIFACT}-{VERSION}.jar"


def test_a_copied_jar_is_found_and_what_spark_has_stays(tmp_path: Path) -> None:
    folder = tmp_path / "spark" / "jars"
    folder.mkdir(parents=True)
    (folder / "jackson-core-2.21.0.jar").write_bytes(b"of Spark")
    (folder / "zstd-jni-1.5.7-6.jar").write_bytes(b"of Spark")
    for old in ("delta-spark_2.13-4.0.0.jar", "delta-storage-4.0.0.jar"):
        (folder / old).write_bytes(b"of an earlier installation")
    resolved = tmp_path / "with a blank"
    resolved.mkdir()
    names = (
        f"io.delta_{DELTA}", "io.delta_delta-storage-4.4.0.jar", "com.fasterxml.jackson.core_jackson-core-2.13.5.jar",
        "com.github.luben_zstd-jni-1.5.7-3.jar", "javax.annotation_javax.annotation-api-1.3.2.jar",
    )  # fmt: skip
    for name in names:
        (resolved / name).write_bytes(b"resolved")
    assert not has_delta(tmp_path / "spark")
    first, *others = [resolved / name for name in names]
    keep_jars([first.as_uri(), *map(str, others)], tmp_path / "spark")
    assert has_delta(tmp_path / "spark")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        DELTA: b"resolved",
        "delta-storage-4.4.0.jar": b"resolved",
        "javax.annotation-api-1.3.2.jar": b"resolved",
        "jackson-core-2.21.0.jar": b"of Spark",
        "zstd-jni-1.5.7-6.jar": b"of Spark",
    }


def test_another_version_of_delta_is_none(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / f"{ARTIFACT}-9{VERSION}.jar").write_bytes(b"")
    assert not has_delta(tmp_path)


def test_an_interrupted_copy_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    jars = [tmp_path / name for name in (f"io.delta_{DELTA}", "io.delta_delta-storage-4.4.0.jar")]
    jars[0].write_bytes(b"resolved")
    with pytest.raises(FileNotFoundError):
        keep_jars([str(jar) for jar in jars], tmp_path)
    assert not has_delta(tmp_path)


def test_the_environment_of_make_install_has_them() -> None:
    assert has_delta(Path(_find_spark_home()))

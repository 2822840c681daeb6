"""Other names for files that Spark would pass over by theirs: hidden ones, those with a colon, packed ones without .gz.

On one machine a link with a plain name is made; elsewhere such a file must be renamed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pyspark.sql import SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.files.formats import Format
from ptofa_spark.files.places import DataFile

_ENDINGS: dict[Format, str] = {"gzip": ".gz", "bzip2": ".bz2"}


def plainly_named(spark: SparkSession, files: Mapping[DataFile, Format]) -> list[str]:
    """Paths by which Spark reads the files as what they are, in their order.

    Raises:
        TableError: a file must be renamed first.
    """
    return [_plain(spark, file, packed) for file, packed in files.items()]


def _plain(spark: SparkSession, file: DataFile, packed: Format) -> str:
    ending = _ENDINGS.get(packed, "")
    named = os.path.splitext(file.uri)[1].lower()
    unpacks = named in (".gz", ".bz2", ".deflate", ".zst", ".lz4", ".snappy", ".xz")
    if not file.hidden and (named == ending if ending else not unpacks):
        return file.uri
    if not file.uri.startswith("file:") or not str(spark.sparkContext.master).startswith("local"):
        wanted = f"ends in {ending}" if ending and not file.hidden else "does not begin with _ or . and has no colon"
        if not ending and unpacks:
            wanted = f"does not end in {named}, since it is not compressed"
        raise TableError(f"file {file.name}: Spark cannot read it by this name: rename it so that its name {wanted}")
    place = Path(tempfile.mkdtemp(dir=_links()))
    link = place / f"file{ending or ('.parquet' if packed == 'parquet' else '.csv')}"
    link.symlink_to("/" + file.uri.removeprefix("file:").lstrip("/"))
    return str(link)


@cache
def _links() -> str:
    """A folder of this process's links, gone with it."""
    made = tempfile.mkdtemp(prefix="ptofa-links-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made

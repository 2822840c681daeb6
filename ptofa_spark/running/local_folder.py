"""A folder or file of the driver's own disk, as a setting names it: a path, or the same place as a `file:` URI."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator

# Two letters at least: one would be a drive of Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_AUTHORITY = re.compile(r"//([^/]*)(/.*)", re.DOTALL)


def local_path(text: str) -> str:
    """The path that the text names; a `file:` URI is decoded, a path stays as it is.

    Raises:
        ValueError: the text is a URI of another scheme or host, or no whole URI. Pydantic makes a `ConfigError` of it.

    >>> local_path("reports/spring"), local_path("file:///data/r%C3%A9sultats%20a"), local_path("file:/data/a%b")
    ('reports/spring', '/data/résultats a', '/data/a%b')
    >>> local_path("s3://bucket/reports")
    Traceback (most recent call last):
        ...
    ValueError: it is a place on the driver's own disk, and no s3: URI: give a path (on Databricks below /Volumes/ or \
/dbfs/)
    """
    if text[:5].lower() == "file:":
        return _of_file_uri(text[5:])
    scheme = _SCHEME.match(text)
    if scheme:
        raise ValueError(
            f"it is a place on the driver's own disk, and no {scheme[1]}: URI: give a path (on Databricks below "
            "/Volumes/ or /dbfs/)"
        )
    return text


def _of_file_uri(rest: str) -> str:
    parts = _AUTHORITY.fullmatch(rest)
    host, path = (parts[1], parts[2]) if parts else ("", rest)
    if host.lower() not in ("", "localhost") or not path.startswith("/") or path.startswith("//"):
        raise ValueError("a file: URI names a whole path, as file:///data/reports does: give that, or a path")
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("its %-codes are not UTF-8: give the path itself") from error


def to_be_written(path: str) -> str:
    """The path, if a folder is there or one can be made.

    Raises:
        ValueError: it is a file or lies below one, no folder can have its name, or the folder around it is closed.
    """
    there = Path(path).absolute()
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
    except OSError as error:
        raise ValueError(f"no folder of this name can be made ({error.strerror}): name another") from error
    if not there.is_dir():
        raise ValueError(f"{there} is a file: name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"the folder {there} cannot be written by this user: name another")
    return path


LocalPath = Annotated[str, AfterValidator(local_path)]
# Of results: checked before the work that they are the results of.
LocalFolder = Annotated[LocalPath, AfterValidator(to_be_written)]

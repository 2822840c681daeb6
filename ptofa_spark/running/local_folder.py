"""Settings that name a folder or file on the driver's disk: a path or a `file:` URI."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator

# At least two letters: one letter is a Windows drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_AUTHORITY = re.compile(r"//([^/]*)(/.*)", re.DOTALL)


def local_path(text: str) -> str:
    """The path that the text names. A `file:` URI is decoded; a path is returned unchanged.

    Raises:
        ValueError: the text is a URI of another scheme or host, or an incomplete URI. It is reported as a
            `ConfigError`.

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


def writable_folder(path: str) -> str:
    """The path, unchanged, if a folder exists there or can be created.

    Raises:
        ValueError: it is a file or is below one, its name is not allowed, or its parent folder is not writable.
    """
    nearest = Path(path).absolute()
    try:
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
    except OSError as error:
        raise ValueError(f"no folder of this name can be made ({error.strerror}): name another") from error
    if not nearest.is_dir():
        raise ValueError(f"{nearest} is a file: name a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"the folder {nearest} cannot be written by this user: name another")
    return path


LocalPath = Annotated[str, AfterValidator(local_path)]
# For results: checked before the work starts, so that no work is lost.
LocalFolder = Annotated[LocalPath, AfterValidator(writable_folder)]

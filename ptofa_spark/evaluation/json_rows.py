"""A JSON file with a list of rows, which one job writes and another job reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ptofa_spark.errors import UserError
from ptofa_spark.running.whole_file import write_json

Row = TypeVar("Row")


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """Writes rows. Each row is a dataclass. A number that is not finite becomes null."""
    write_json(path, [asdict(row) for row in rows])


def read_rows(path: Path, row_of: Callable[[dict[str, Any]], Row], job: str) -> tuple[Row, ...]:
    """The rows of the file, in file order; an empty tuple if there is no file.

    Args:
        path: the file.
        row_of: makes a row from its JSON object.
        job: the job that writes the file.

    Raises:
        UserError: the file cannot be read, or `row_of` cannot make rows from it.
    """
    if not path.exists():
        return ()
    mend = f"run {job} with --report {path.parent} again, or remove the file"
    try:
        return tuple(row_of(found) for found in json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {mend}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} holds no rows of {job} ({type(error).__name__}: {error}): {mend}") from error

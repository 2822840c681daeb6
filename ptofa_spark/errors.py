"""Errors that a user of the jobs can mend. Each prints as one line: what is wrong, what was found, the way out.

Every other exception is a bug of ours and keeps its trace.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence

EXIT_OK = 0
EXIT_USER_ERROR = 2


class UserError(Exception):
    """Something in the input, the configuration or the machine that the user can mend."""


class ConfigError(UserError):
    """A setting is unknown, missing or out of its bounds."""


class TableError(UserError):
    """A table is missing, unreadable, or its rows break its contract."""


class MissingColumnError(TableError):
    """A table lacks a column that its contract names."""

    def __init__(self, table: str, missing: Sequence[str], present: Sequence[str]) -> None:
        super().__init__(
            f"table {table} lacks column(s) {', '.join(missing)}; it has {', '.join(present)}: "
            "rename or add the column(s)"
        )


class ColumnTypeError(TableError):
    """A column's type cannot be read as the type its contract names without loss."""

    def __init__(self, table: str, column: str, found: str, wanted: str) -> None:
        super().__init__(f"table {table}: column {column} is {found}, expected {wanted}: cast it before the job")


class InfeasibleError(UserError):
    """No allocation meets the demands, the slots and the risk limits together."""


class MachineError(UserError):
    """The machine lacks something the jobs need: Java, memory, the network at the first run."""


def run_as_job(main: Callable[[Sequence[str] | None], int]) -> int:
    """Runs a job's `main`; a `UserError` becomes one line on stderr and exit code 2. PTOFA_DEBUG=1 shows its trace."""
    try:
        return main(None)
    except UserError as error:
        if os.environ.get("PTOFA_DEBUG"):
            traceback.print_exc()
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 - a job's last word
        return EXIT_USER_ERROR

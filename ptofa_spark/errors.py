"""Errors that a user of the jobs can mend: each says in one line what is wrong, what was found, the way out."""

from __future__ import annotations

from collections.abc import Sequence

# The environment variable that shows the trace behind an error's one line; `--debug` sets it.
DEBUG = "PTOFA_DEBUG"


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
        mend = way_out(column, "cast it before the job")
        super().__init__(f"table {table}: column {column} is {found}, expected {wanted}: {mend}")


def way_out(column: str, otherwise: str) -> str:
    """What to do where a column's values do not fit its type; ids of users, often words elsewhere, have an answer."""
    if column == "user_id":
        return (
            "a user_id is a whole number of at most 64 bits: cast ids that are such numbers, number the users where "
            "they are not, and keep a table of your own ids to join back"
        )
    return otherwise


class DivergedError(UserError):
    """A training's loss is no longer a finite number."""


class InfeasibleError(UserError):
    """No allocation meets the demands, the slots and the risk limits together."""


class MachineError(UserError):
    """The machine lacks something the jobs need: Java, memory, the network at the first run."""

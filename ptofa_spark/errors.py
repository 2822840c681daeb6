"""Errors that users can correct. Each message says in one line what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

# The environment variable that makes a failed job print its trace; `--debug` sets it.
DEBUG = "PTOFA_DEBUG"


class UserError(Exception):
    """A problem of the input, the configuration or the machine that the user can correct."""


class ConfigError(UserError):
    """A setting is unknown, missing or out of its bounds."""


class TableError(UserError):
    """A table is missing or unreadable, or its rows violate its schema."""


class MissingColumnError(TableError):
    """A table lacks a column of its schema."""

    def __init__(self, table: str, missing: Sequence[str], present: Sequence[str]) -> None:
        super().__init__(
            f"table {table} lacks column(s) {', '.join(missing)}; it has {', '.join(present)}: "
            "rename or add the column(s)"
        )


class ColumnTypeError(TableError):
    """A column cannot be converted to the type of its schema without loss."""

    def __init__(self, table: str, column: str, found: str, wanted: str) -> None:
        remedy = way_out(column, "cast it before the job")
        super().__init__(f"table {table}: column {column} is {found}, expected {wanted}: {remedy}")


def way_out(column: str, otherwise: str) -> str:
    """What to do if values do not fit a column's type. user_id has its own answer, since it is often text elsewhere."""
    if column == "user_id":
        return (
            "a user_id is a whole number of at most 64 bits: cast ids that are such numbers, number the users where "
            "they are not, and keep a table of your own ids to join back"
        )
    return otherwise


class DivergedError(UserError):
    """The loss of a training is no longer finite."""


class InfeasibleError(UserError):
    """No allocation meets the demands, the slots and the risk limits together."""


class MachineError(UserError):
    """The machine lacks something that the jobs need: Java, memory, the network at the first run."""

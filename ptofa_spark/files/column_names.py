"""Matches the columns of a file to those of a schema by name, ignoring case and outer spaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Matched:
    """Where a file has the wanted columns.

    position: wanted name to column number, from 0, for the columns found; renamed: wanted name to the name in the file,
    where they differ; doubled: names in the file that match the same wanted column, an ambiguity.
    """

    position: Mapping[str, int]
    renamed: Mapping[str, str]
    doubled: tuple[str, ...]


def folded(name: str) -> str:
    """The name in lower case, without outer blanks, outer quotes and invisible marks.

    >>> folded(chr(0xFEFF) + "User_ID" + chr(0xA0))
    'user_id'
    """
    return name.strip(" \t\r\n\v\f\u00a0\u200b\u2009\u202f\u3000\ufeff\"'").casefold()


def match_columns(names: Sequence[str], wanted: Iterable[str]) -> Matched:
    """Finds each wanted column among the names of a file.

    >>> match_columns(["USER_ID ", "fund_id"], ["user_id", "fund_id", "demand"])
    Matched(position={'user_id': 0, 'fund_id': 1}, renamed={'user_id': 'USER_ID '}, doubled=())
    """
    by_fold: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        by_fold.setdefault(folded(name), []).append(number)
    position: dict[str, int] = {}
    renamed: dict[str, str] = {}
    for column in wanted:
        numbers = by_fold.get(folded(column), [])
        if len(numbers) > 1:
            return Matched({}, {}, tuple(names[number] for number in numbers))
        if numbers:
            position[column] = numbers[0]
            if names[numbers[0]] != column:
                renamed[column] = names[numbers[0]]
    return Matched(position, renamed, ())

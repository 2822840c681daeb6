"""Which column of a file a contract's column is: the one of its name, but for case and outer spaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Matched:
    """Where the wanted columns stand.

    position: column number by wanted name, of those that are there; renamed: wanted name to the name in the file,
    where they differ; doubled: names that fit one wanted column together, so that none can be chosen.
    """

    position: Mapping[str, int]
    renamed: Mapping[str, str]
    doubled: tuple[str, ...]


def folded(name: str) -> str:
    """The name without case, outer blanks and marks that cannot be seen.

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
    for place, name in enumerate(names):
        by_fold.setdefault(folded(name), []).append(place)
    position: dict[str, int] = {}
    renamed: dict[str, str] = {}
    for column in wanted:
        places = by_fold.get(folded(column), [])
        if len(places) > 1:
            return Matched({}, {}, tuple(names[place] for place in places))
        if places:
            position[column] = places[0]
            if names[places[0]] != column:
                renamed[column] = names[places[0]]
    return Matched(position, renamed, ())

"""Finds similar names, so that a message can suggest the intended one. No id is ever changed."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection

_LISTED = 8
_NEAR = 0.7  # difflib's default of 0.6 matches "o'hare" with "nowhere"
_INVISIBLE = "Cf"  # the Unicode category of zero-width spaces, byte order marks and similar characters
_BLANKS = {"\t": "tab", "\n": "line break", "\r": "carriage return"}


def nearest_name(name: str, known: Collection[str]) -> str | None:
    """The known name that was most likely intended; None if none is similar.

    Args:
        name: a name that is not among the known ones.
        known: the existing names.

    Prefers names that differ only by blanks, invisible characters, Unicode form or case, with the fewest differences
    first. Then come names that share most of their letters.

    >>> nearest_name("b", ["a", "b "]), nearest_name("gold_1", ["cash", "gold-1"]), nearest_name("b", ["a"])
    ('b ', 'gold-1', None)
    """
    others = sorted(set(known) - {name})
    alike = [other for other in others if folded(other) == folded(name)]
    if alike:
        return min(alike, key=lambda other: (len(_differences(name, other)), other))
    by_form: dict[str, str] = {}
    for other in others:
        by_form.setdefault(folded(other), other)
    close = difflib.get_close_matches(folded(name), list(by_form), n=1, cutoff=_NEAR)
    return by_form[close[0]] if close else None


def near_names(name: str, others: Collection[str]) -> list[str]:
    """The other names that differ only by blanks, invisible characters, Unicode form or case, sorted."""
    return sorted(other for other in set(others) - {name} if folded(other) == folded(name))


def look_the_same(name: str, other: str) -> bool:
    """Whether two names differ only by blanks, invisible characters and Unicode form, which is never intended.

    >>> look_the_same("a", "a "), look_the_same("a", "A")
    (True, False)
    """
    return _one_form(name) == _one_form(other)


def folded(name: str) -> str:
    r"""A form that is equal for names which people consider the same. Only for comparisons, never stored.

    >>> folded("  Ｇold\u00a0 1\u200b") == folded("gold 1")
    True
    """
    return unicodedata.normalize("NFKC", _one_form(name).casefold())


def difference(name: str, other: str) -> str:
    r"""The difference between two names that `folded` makes equal, in words.

    >>> difference("gold 1", "Gold\u00a01")
    'a no-break space U+00A0 and upper and lower case'
    """
    *others, last = _differences(name, other)
    return f"{', '.join(others)} and {last}" if others else last


def instead(name: str, known: Collection[str], what: str = "name", where: str = "there") -> str:
    """The clause of a message on an unknown name: the most similar known name, else up to 8 known names.

    >>> instead("b", ["a", "b "])
    "the nearest name there is 'b ' (it differs by a trailing space)"
    >>> instead("x", ["a", "b"], "fund", "in the scores")
    "the funds in the scores are 'a', 'b'"
    """
    nearest = nearest_name(name, known)
    if nearest is None:
        return f"the {what}s {where} are {listed(known)}" if known else f"no {what} is {where}"
    hint = f" (it differs by {difference(name, nearest)})" if folded(nearest) == folded(name) else ""
    return f"the nearest {what} {where} is {nearest!r}{hint}"


def listed(names: Collection[str]) -> str:
    """Up to 8 names, in quotes so that blanks are visible."""
    first = ", ".join(repr(name) for name in sorted(names)[:_LISTED])
    return first + (f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")


def _one_form(name: str) -> str:
    """The name in one Unicode form, without invisible characters and outer blanks, with single spaces inside."""
    return " ".join(unicodedata.normalize("NFKC", _visible(name)).split())


def _visible(name: str) -> str:
    return "".join(each for each in name if unicodedata.category(each) != _INVISIBLE)


def _differences(name: str, other: str) -> list[str]:
    odd = sorted(_odd(name) ^ _odd(other))
    differences = [_called(each) for each in odd] or _spaces(name, other)
    shown = [" ".join(_visible(each).split()).casefold() for each in (name, other)]
    if shown[0] != shown[1]:
        differences.append("another Unicode form")
    if _one_form(name) != _one_form(other):
        differences.append("upper and lower case")
    return differences or ["another Unicode form"]


def _spaces(name: str, other: str) -> list[str]:
    """How the spaces of two names differ, in words. Their other blanks are equal."""
    pairs = {
        "leading": [len(each) - len(each.lstrip()) for each in (name, other)],
        "trailing": [len(each) - len(each.rstrip()) for each in (name, other)],
    }
    outer = [f"a {end} space" if abs(a - b) == 1 else f"{end} spaces" for end, (a, b) in pairs.items() if a != b]
    inner = [sum(letter.isspace() for letter in each.strip()) for each in (name, other)]
    return [*outer, "spaces inside"] if inner[0] != inner[1] else outer


def _odd(name: str) -> set[str]:
    """The blanks and invisible characters of a name, except plain spaces."""
    return {each for each in name if each != " " and (each.isspace() or unicodedata.category(each) == _INVISIBLE)}


def _called(character: str) -> str:
    known = _BLANKS.get(character) or unicodedata.name(character, "control character").lower()
    return f"{'an' if known[0] in 'aeiou' else 'a'} {known} U+{ord(character):04X}"

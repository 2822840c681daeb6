"""Lists of names as a user writes them on the command line, where a name may hold the separator in double quotes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator


def readings(text: str, separator: str) -> Iterator[list[str]]:
    """The ways to read the list, the plain one first: cut at each separator; with quotes; with blanks before quotes.

    The caller takes the first whose names it knows: then every name can be written, whatever it holds.

    >>> list(readings('"a, b", c', ","))
    [['"a', ' b"', ' c'], ['a, b', ' c'], ['a, b', 'c']]
    """
    yield text.split(separator)
    for skip in (False, True):
        try:
            lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=skip))
        except csv.Error:  # a name longer than csv takes, which no name is
            continue
        yield [name for line in lines for name in line]


def in_quotes(name: str) -> str:
    """The name as it stands in a list that is read with quotes.

    >>> print(in_quotes('a "new" fund, b'))
    "a ""new"" fund, b"
    """
    return '"' + name.replace('"', '""') + '"'

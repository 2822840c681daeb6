"""Parses lists of names from the command line. A name in double quotes may contain the separator."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator


def readings(text: str, separator: str) -> Iterator[list[str]]:
    """Yields the possible readings of a list: split at each separator; with quotes; with blanks before quotes.

    The caller takes the first reading whose names it knows. So every name can be written, whatever characters it has.

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
    """The name in double quotes, as a list with quotes contains it.

    >>> print(in_quotes('a "new" fund, b'))
    "a ""new"" fund, b"
    """
    return '"' + name.replace('"', '""') + '"'

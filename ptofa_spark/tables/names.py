"""Parses table arguments, which are catalog names or paths. Only this module builds SQL identifiers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ptofa_spark.errors import TableError

_CATALOG_NAME = re.compile(r"[^\W\d][\w-]*(\.[^\W\d][\w-]*){1,2}")
# Endings of files that people name: `allocation.csv` is such a file, not the table `csv` of a schema `allocation`.
_FILE_ENDINGS = frozenset(
    re.findall(
        r"\w+",
        "7z arrow avro bz2 csv dat db feather gz ipc json jsonl log lz4 ndjson npy npz ods "
        "orc parquet pickle pkl pq psv sqlite tab tar tgz tsv txt xls xlsm xlsx xml xz yaml yml zip zst",
    )
)


@dataclass(frozen=True)
class TableName:
    """A table by its catalog name (`schema.table`, `catalog.schema.table`) or by its path or URI."""

    text: str
    in_catalog: bool

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Parses an argument: two or three dotted words are a catalog name, unless they name a file; others are paths.

        Raises:
            TableError: the text is empty.

        >>> TableName.parse("main.sales.users").sql(), TableName.parse("warehouse/users").in_catalog
        ('`main`.`sales`.`users`', False)
        >>> TableName.parse("allocation.csv").in_catalog, TableName.parse("spring.scores.parquet").in_catalog
        (False, False)
        """
        if not text.strip():
            raise TableError("a table argument is empty: give a catalog name (catalog.schema.table) or a path")
        dotted = bool(_CATALOG_NAME.fullmatch(text)) and not file_ending(text)
        return cls(text, dotted and not Path(text).exists())

    def sql(self) -> str:
        """The catalog name in SQL, each part quoted: `a`.`b`. Not for paths, which are never opened by SQL."""
        return ".".join(quoted(part) for part in self.text.split("."))

    def __str__(self) -> str:
        return self.text


def file_ending(text: str) -> str:
    """The file ending of a path or URI if it is a known one, such as `csv`; else empty.

    >>> file_ending("out/allocation.CSV"), file_ending("main.ptofa.allocation"), file_ending("csv")
    ('csv', '', '')
    """
    stem, dot, ending = text.rstrip("/").rsplit("/", 1)[-1].rpartition(".")
    return ending.lower() if stem and dot and ending.lower() in _FILE_ENDINGS else ""


def in_warehouse(warehouse: str, table: str) -> str:
    """The argument of a table in a warehouse, which is a directory, a URI or a `catalog.schema`.

    >>> in_warehouse("warehouse", "users"), in_warehouse("main.sales", "users")
    ('warehouse/users', 'main.sales.users')
    """
    if _CATALOG_NAME.fullmatch(warehouse + ".t") and "." in warehouse and not Path(warehouse).exists():
        return f"{warehouse}.{table}"
    return f"{warehouse.rstrip('/')}/{table}"


def quoted(identifier: str) -> str:
    """An identifier in backticks, with backticks inside it doubled."""
    return "`" + identifier.replace("`", "``") + "`"


def sql_string(value: str) -> str:
    r"""A string literal for a SQL predicate, such as Delta's `replaceWhere`.

    Every character except letters, digits and ` _-.:` is written as its code. So nothing ends the literal early, and
    Spark does not substitute `${...}` in it.

    >>> print(sql_string("it's"))
    'it\u0027s'
    """
    return "'" + "".join(each if each.isalnum() or each in " _-.:" else _code(each) for each in value) + "'"


def _code(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

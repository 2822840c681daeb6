"""Recognizes the format of a file by its first bytes, and gives a remedy for a format that is not supported."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

Format = Literal["parquet", "csv", "gzip", "bzip2"]
# Enough for every signature below (a tar archive has its at byte 257), and for most headers.
HEAD_BYTES = 64 * 2**10

_SAVE = "save it as CSV UTF-8 or Parquet"
_UNPACK = "unpack it"
# (offset of the signature, signature, what the file is, remedy), searched in this order.
_FOREIGN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (xls)", _SAVE),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK),
    (0, b"\xfd7zXZ\x00", "compressed by xz", _UNPACK),
    (0, b"\x04\x22\x4d\x18", "compressed by lz4", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a rar archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (0, b"ARROW1", "an Arrow (Feather) file", "write it as Parquet"),
    (0, b"FEA1", "an old Feather file", "write it as Parquet"),
    (0, b"\xff\xff\xff\xff", "an Arrow stream", "write it as Parquet"),
    (0, b"ORC", "an ORC file", "write it as Parquet"),
    (0, b"Obj\x01", "an Avro file", "write it as Parquet"),
    (0, b"SQLite format 3\x00", "an SQLite database", "export the table as CSV UTF-8 or Parquet"),
    (8, b"DUCK", "a DuckDB database", "export the table as CSV UTF-8 or Parquet"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", "write it as Parquet"),
    (0, b"%PDF", "a PDF file", "export the table as CSV UTF-8 or Parquet"),
    (0, b"\x80\x03", "a Python pickle", "write it as Parquet"),
    (0, b"\x80\x04", "a Python pickle", "write it as Parquet"),
    (0, b"\x80\x05", "a Python pickle", "write it as Parquet"),
    (0, b"RDX", "an R data file", "write it as Parquet"),
    (0, b"<stata_dta>", "a Stata file", "write it as Parquet"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, without the data", "fetch the file itself (git lfs pull)"),
)
_UTF_16_AND_32 = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


@dataclass(frozen=True)
class Foreign:
    """A format that is not supported. what: its name in words; way_out: what to do."""

    what: str
    way_out: str


def format_of(head: bytes) -> Format | Foreign:
    """The format of a file by its first HEAD_BYTES bytes, or by all of them.

    >>> format_of(b"PAR1..."), format_of(b"user_id,city")
    ('parquet', 'csv')
    >>> format_of(b"PK" + bytes([3, 4]) + b"[Content_Types].xml").what
    'an Excel workbook (xlsx, a zip file)'
    """
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh"):
        return "bzip2"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(head)
    for start, sign, what, way_out in _FOREIGN:
        if head[start : start + len(sign)] == sign:
            return Foreign(what, way_out)
    return _text(head)


def looks_like(bad: bytes) -> str:
    """The probable encoding of bytes that are not UTF-8, in words.

    >>> looks_like("Frühling".encode("cp1252"))
    'Windows-1252'
    """
    for mark, name in _UTF_16_AND_32:
        if bad.startswith(mark):
            return name
    if b"\x00" in bad:
        return "UTF-16"
    for encoding, name in (("gb18030", "GB 18030 (GBK)"), ("shift_jis", "Shift JIS")):
        # Western text may decode as these by chance, but only their own text is mostly pairs of high bytes.
        high = sum(byte >= 0x80 for byte in bad)
        if high >= 6 and _decodes(bad, encoding) and high > len(bad) // 4:
            return name
    return "Windows-1252" if _decodes(bad, "cp1252") else "ISO-8859-1"


def _zip(head: bytes) -> Foreign:
    if b"[Content_Types].xml" in head or b"xl/" in head:
        return Foreign("an Excel workbook (xlsx, a zip file)", _SAVE)
    if b"opendocument" in head:
        return Foreign("an OpenDocument spreadsheet (ods, a zip file)", _SAVE)
    return Foreign("a zip file (Excel?)", f"{_UNPACK}; if it is a workbook, {_SAVE}")


def _text(head: bytes) -> Format | Foreign:
    for mark, name in _UTF_16_AND_32:
        if head.startswith(mark):
            return Foreign(f"text in {name}, not in UTF-8", "save it as CSV UTF-8")
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if b"\x00" in head:
        if _decodes(head[: len(head) // 2 * 2], "utf-16") and head[1::2].count(0) > len(head) // 8:
            return Foreign("text in UTF-16, not in UTF-8", "save it as CSV UTF-8")
        return Foreign("a binary file of no known format", "write it as Delta, Parquet or CSV")
    if start.startswith((b"{", b"[{")):
        return Foreign("JSON", "write it as CSV UTF-8 or Parquet")
    if start[:1] == b"<" and start[:2] != b"<,":
        return Foreign("HTML or XML (the page of an error, or of a login?)", "fetch the file itself")
    return "csv"


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True

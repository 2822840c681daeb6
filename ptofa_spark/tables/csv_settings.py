"""What a user may say of their CSV files, in every job that reads such files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from ptofa_spark.config import Settings
from ptofa_spark.files.csv.header import CsvForm

_BY_NAME = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


class CsvSettings(Settings):
    """Settings that jobs share which read CSV files."""

    csv_separator: str | None = Field(
        None, description="separator of CSV cells: one character, or tab; found in the header line if empty"
    )
    csv_decimal: Literal[".", ","] | None = Field(
        None,
        description="decimal mark of CSV numbers; if empty a point, or what the cells show where no comma separates",
    )

    @field_validator("csv_separator")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        character = _BY_NAME.get(value, value) if value is not None else None
        if character is not None and (
            len(character) != 1 or not character.isascii() or character.isalnum() or character in "\"'\r\n.+-_"
        ):
            raise ValueError("give one character such as ; or |, or tab")
        return character

    def csv_form(self) -> CsvForm:
        """The settings as the reader takes them."""
        return CsvForm(self.csv_separator, self.csv_decimal)

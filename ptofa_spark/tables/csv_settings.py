"""Settings for CSV files, shared by every job that reads them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from ptofa_spark.config import Settings
from ptofa_spark.files.csv.header import CsvForm

_BY_NAME = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


class CsvSettings(Settings):
    """Separator and decimal mark of CSV files."""

    csv_separator: str | None = Field(
        None, description="separator of CSV cells: one character, or tab; detected in the header line if empty"
    )
    csv_decimal: Literal[".", ","] | None = Field(
        None,
        description="decimal mark of CSV numbers; if empty, a point, or detected if the separator is not a comma",
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
        """The settings in the form that the CSV reader takes."""
        return CsvForm(self.csv_separator, self.csv_decimal)

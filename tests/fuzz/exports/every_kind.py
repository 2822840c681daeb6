"""Files as people really export them: a clean campaign, changed as spreadsheets and databases change it."""

from __future__ import annotations

from tests.fuzz.exports import cells, parquet, places, text

# A kind's place among them is part of its seed.
KINDS = text.KINDS | places.KINDS | cells.KINDS | parquet.KINDS

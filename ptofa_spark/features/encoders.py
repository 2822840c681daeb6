"""Encodes features as numbers, by the same code in training and scoring. The encoders are kept as readable JSON.

This module does not use Spark. `fitting.py` fits the encoders on the training split. The feed and the scorer encode.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

UNKNOWN, NULL = 0, 1  # the first codes: a word that training did not see, and no word
# Standardised numbers are clipped at this many deviations, so that one extreme row does not dominate a layer.
_LIMIT = 5.0


@dataclass(frozen=True)
class Scale:
    """Standardisation of one numeric column: (x - mean) / deviation. Null becomes 0, and 1 in the indicator, if any."""

    mean: float
    deviation: float
    may_be_missing: bool


@dataclass(frozen=True)
class Encoders:
    """Vocabularies of the categorical columns and scales of the numeric ones, by column, sorted.

    Code 0 is an unknown word, code 1 is null, and the words follow in order. The numbers are the scaled columns, then
    one indicator per column that was null somewhere in training.
    """

    vocabularies: dict[str, tuple[str, ...]]
    scales: dict[str, Scale]

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw columns that `encode` reads."""
        return (*self.vocabularies, *self.scales)

    @property
    def vocabulary_sizes(self) -> tuple[int, ...]:
        """Number of codes of each categorical column."""
        return tuple(2 + len(words) for words in self.vocabularies.values())

    @property
    def number_names(self) -> tuple[str, ...]:
        """Names of the encoded numbers, in their order."""
        missing = [f"{name} missing" for name, scale in self.scales.items() if scale.may_be_missing]
        return (*self.scales, *missing)

    def subset(self, prefix: str) -> Encoders:
        """The encoders of the columns with the prefix: u_, f_ or p_."""
        return Encoders(
            {name: words for name, words in self.vocabularies.items() if name.startswith(prefix)},
            {name: scale for name, scale in self.scales.items() if name.startswith(prefix)},
        )

    def encode(self, frame: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes (rows, categorical columns) and numbers (rows, len(number_names)) of raw feature columns.

        Raises:
            KeyError: the frame lacks one of `columns`.

        >>> encoders = Encoders({"u_city": ("Graz", "Linz")}, {"u_age": Scale(40.0, 10.0, may_be_missing=True)})
        >>> frame = pd.DataFrame({"u_city": ["Linz", "Oslo", None], "u_age": [50.0, 35.0, None]})
        >>> codes, numbers = encoders.encode(frame)
        >>> codes.tolist()
        [[3], [0], [1]]
        >>> numbers.tolist()
        [[1.0, 0.0], [-0.5, 0.0], [0.0, 1.0]]
        """
        codes = np.zeros((len(frame), len(self.vocabularies)), dtype=np.int64)
        for place, (name, words) in enumerate(self.vocabularies.items()):
            codes[:, place] = _codes(frame[name], words)
        numbers = np.zeros((len(frame), len(self.number_names)), dtype=np.float32)
        indicator = len(self.scales)
        for place, (name, scale) in enumerate(self.scales.items()):
            values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            scaled = np.clip((values - scale.mean) / scale.deviation, -_LIMIT, _LIMIT)
            numbers[:, place] = np.nan_to_num(scaled, nan=0.0)
            if scale.may_be_missing:
                numbers[:, indicator] = np.isnan(values)
                indicator += 1
        return codes, numbers

    def to_json(self) -> str:
        """Readable JSON, with every number in full."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Encoders:
        """What `to_json` wrote."""
        content = json.loads(text)
        return cls(
            {name: tuple(words) for name, words in content["vocabularies"].items()},
            {name: Scale(**scale) for name, scale in content["scales"].items()},
        )


def _codes(values: pd.Series[str], words: tuple[str, ...]) -> NDArray[np.int64]:
    found = pd.Index(words, dtype=object).get_indexer(pd.Index(values, dtype=object))
    codes: NDArray[np.int64] = np.where(found >= 0, found + 2, UNKNOWN).astype(np.int64)
    codes[values.isna().to_numpy()] = NULL
    return codes

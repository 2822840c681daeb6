"""Marks: pairs that people forbid, or push, by a number far beyond all revenues, such as -1e9, -1e15 or +1e15.

A solver counts in whole units of money, and one -1e15 makes its unit larger than every real revenue. So the marks are
found by their distance to all else, and the solver sees them *clipped*: near the ordinary revenues, but still beyond
them. The objective, the audit and the written table keep the numbers that were given.

**Why the clipped optimum is an optimum.** Let F be the number of the network's funds, and S the span of the ordinary
revenues and 0. Two allocations of one problem differ by cycles of exchanges (a circulation in the residual graph), and
each cycle passes each fund at most once. So it has at most F exchanges, and it changes the ordinary money by at most
F * S. Write each mark as a whole multiple q of its tier's step, plus an ordinary part inside the span; let n_i be the
sum of q over the marks of tier i that a cycle takes, less that over those it gives. Tier i has the step B_i in the
revenues as they are and L_i in the clipped ones. The gain of a cycle is sum_i B_i n_i + O, or sum_i L_i n_i + O, with
the same O, |O| <= F * S. With R_i = S + sum_{j<=i} Q_j L_j (Q_j is the largest q) and

    L_i = (F + 2) R_{i-1},

the highest tier whose n_i is not 0 decides the sign of the clipped gain, and it is at least 2 S. The tiers lie a factor
of `GAP` and at least 4 F apart, so the same holds for the revenues as they are. If all n_i are 0, the two gains are
equal. Hence a cycle gains in one if and only if it gains in the other, and an allocation is optimal exactly when no
cycle gains:

(i) Where negative marks can be avoided, the clipped optimum uses none (unless a positive mark pays for it), and it is
    an optimum of the revenues as they are. It uses positive marks wherever that is possible.
(ii) Where negative marks are forced, the clipped optimum uses as few as possible: of the highest tier first, then of
    the next. It is an optimum of the revenues as they are.

**What a gap says.** Let X be an allocation whose clipped gap is g < 2 S. The cycles that lead from X to an optimum can
be chosen so that any of them can be made alone; so none gains more than g when clipped, and none has a positive n.
Those with a negative n lose in both, and the others gain the same in both: X lies within g of the true optimum.

**Where a tier is not exact.** A tier has whole multiples if its marks are one value, a few values with a common
divisor, or one value but for ordinary money (-1e9 + E). A negative tier of another kind is drawn together linearly. (i)
holds for it as it stands, because every clipped mark lies beyond L_i. (ii) holds but for the order among the values of
that tier. So the statement on the gap needs an allocation without such a pair, and the certificate counts them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np

from ptofa_spark.allocation.scores.spectrum import Spectrum
from ptofa_spark.arrays import Bools, Floats

# Up to here the solver's unit, 2^-44 of the spread, stays below 2^-30 of the largest revenue; and no revenues of a
# continuous distribution leave such a stretch empty.
GAP = 1e4
# Negative numbers are no marks where a smaller share of the pairs is ordinary; positive ones are none where they are a
# larger share of the pairs, since they may be the money that it is about.
_SHARE = 0.1
# Marks of one tier may be multiples of a step up to this one.
_MULTIPLES = 64
# A tier without such a step is drawn together until its largest mark is this often its smallest.
_DRAWN_TOGETHER = 8.0
# Clipped marks stay within so many spans of ordinary revenue: beyond, tiers are joined, for the solver's unit grows.
_MOST_SPANS = 2.0**22


@dataclass(frozen=True)
class Piece:
    """Expected revenues in [low, high] become level + (E - base) * scale, money. exact: see the module."""

    low: float
    high: float
    level: float
    base: float
    scale: float
    exact: bool


@dataclass(frozen=True)
class Clip:
    """What a solver sees of expected revenues: ordinary ones as they are, marks near to them.

    ordinary_largest: largest |E| of an ordinary pair; a larger one is a mark. pieces: of the marks.
    """

    ordinary_largest: float
    pieces: tuple[Piece, ...]

    def of(self, expected_revenue: Floats) -> Floats:
        """Expected revenues of any shape, money, clipped; NaN stays NaN, and ordinary ones keep every bit."""
        with np.errstate(invalid="ignore"):
            far = np.abs(expected_revenue) > self.ordinary_largest
        if not far.any():
            return expected_revenue
        clipped = expected_revenue.copy()
        for piece in self.pieces:
            at = far & (expected_revenue >= piece.low) & (expected_revenue <= piece.high)
            clipped[at] = piece.level + (expected_revenue[at] - piece.base) * piece.scale
        return clipped

    def unordered(self, expected_revenue: Floats) -> Bools:
        """Which pairs are marks that the clip keeps in no exact order (see the module); of the shape given."""
        inside: Bools = np.zeros(expected_revenue.shape, dtype=bool)
        with np.errstate(invalid="ignore"):
            for piece in self.pieces:
                if not piece.exact:
                    inside |= (expected_revenue >= piece.low) & (expected_revenue <= piece.high)
        return inside

    def largest(self) -> float:
        """The largest |E| that a solver sees, money."""
        ends = (p.level + (end - p.base) * p.scale for p in self.pieces for end in (p.low, p.high))
        return max(self.ordinary_largest, *(abs(end) for end in ends))

    def to_json(self) -> dict[str, Any]:
        """Plain values; floats keep every bit."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Clip:
        """What `to_json` wrote."""
        return cls(float(content["ordinary_largest"]), tuple(Piece(**piece) for piece in content["pieces"]))


@dataclass(frozen=True)
class Marks:
    """The marks among the eligible pairs.

    pairs, negative: how many, and how many of them are below 0; lowest, highest: money. margin: money, 2 S: a clipped
    gap below it is a gap of the revenues as they are.
    """

    clip: Clip
    pairs: int
    negative: int
    lowest: float
    highest: float
    margin: float

    @property
    def ordinary_largest(self) -> float:
        """The largest |E| of an ordinary pair, money."""
        return self.clip.ordinary_largest


@dataclass(frozen=True)
class _Range:
    """Marks of one sign: their lowest and highest expected revenue, money."""

    low: float
    high: float

    @property
    def nearest(self) -> float:
        """The least |E| in it."""
        return min(abs(self.low), abs(self.high))

    @property
    def farthest(self) -> float:
        """The largest |E| in it."""
        return max(abs(self.low), abs(self.high))


def find_marks(spectrum: Spectrum, funds: int) -> Marks | None:
    """The marks among all eligible pairs, or None where there are none.

    Args:
        spectrum: the revenues by size.
        funds: of the balanced network, at most: one more than the campaign's.

    >>> from ptofa_spark.allocation.scores.spectrum import spectrum
    >>> marks = find_marks(spectrum(np.array([10.0, 20.0, 30.0, -1e9])), funds=2)
    >>> marks.clip.of(np.array([20.0, -1e9])).tolist()
    [20.0, -120.0]
    >>> find_marks(spectrum(np.array([10.0, 20.0, 30.0, -1e3])), funds=2) is None
    True
    """
    gap = max(GAP, 4.0 * funds)
    sizes = _sizes(spectrum)
    total = int(spectrum.pairs.sum())
    for place in range(1, len(sizes)):
        below, above = sizes[place - 1], sizes[place]
        if above[0] < gap * below[1]:
            continue
        beyond = np.maximum(np.abs(spectrum.least), np.abs(spectrum.most)) >= above[0]
        pushed = int(spectrum.pairs[beyond & (spectrum.least > 0)].sum())
        ordinary = spectrum.pairs[~beyond].sum()
        if ordinary < _SHARE * total or pushed > _SHARE * total:
            continue
        marks = _marks(spectrum, beyond, funds, gap)
        if marks is not None:
            return marks
    return None


def _sizes(spectrum: Spectrum) -> list[tuple[float, float]]:
    """The least and the largest |E| of each binary exponent that occurs, rising; zeros are of no size."""
    by_exponent: dict[int, tuple[float, float]] = {}
    for name, least, most in zip(spectrum.bins.tolist(), spectrum.least.tolist(), spectrum.most.tolist(), strict=True):
        if name == 0:
            continue
        low, high = sorted((abs(least), abs(most)))
        known = by_exponent.get(name // 2, (low, high))
        by_exponent[name // 2] = (min(low, known[0]), max(high, known[1]))
    return [by_exponent[exponent] for exponent in sorted(by_exponent)]


def _marks(spectrum: Spectrum, beyond: Bools, funds: int, gap: float) -> Marks | None:
    """The marks of the bins `beyond`; None where positive ones among them are not exact (see the module)."""
    low = min(0.0, float(spectrum.least[~beyond].min()))
    high = max(0.0, float(spectrum.most[~beyond].max()))
    tiers = _tiers(spectrum, beyond, gap)
    while True:
        pieces = _levels(tiers, low, high, funds)
        if pieces is None:
            return None
        clip = Clip(max(-low, high), tuple(pieces))
        if len(tiers) == 1 or clip.largest() <= _MOST_SPANS * (high - low):
            break
        tiers = [*tiers[:-2], tiers[-2] + tiers[-1]]
    return Marks(
        clip=clip,
        pairs=int(spectrum.pairs[beyond].sum()),
        negative=int(spectrum.pairs[beyond & (spectrum.most < 0)].sum()),
        lowest=float(spectrum.least[beyond].min()),
        highest=float(spectrum.most[beyond].max()),
        margin=2.0 * (high - low),
    )


def _tiers(spectrum: Spectrum, beyond: Bools, gap: float) -> list[list[_Range]]:
    """The ranges of the marks' bins, by tiers that lie a factor `gap` apart: rising by size."""
    ranges = [_Range(low, high) for low, high in zip(spectrum.least[beyond], spectrum.most[beyond], strict=True)]
    tiers: list[list[_Range]] = []
    for each in sorted(ranges, key=lambda each: each.nearest):
        if not tiers or each.nearest >= gap * max(known.farthest for known in tiers[-1]):
            tiers.append([])
        tiers[-1].append(each)
    return tiers


def _levels(tiers: list[list[_Range]], low: float, high: float, funds: int) -> list[Piece] | None:
    """The pieces of all tiers, each beyond all below it; ordinary revenues and 0 lie in [low, high]."""
    pieces: list[Piece] = []
    reach, below = high - low, max(-low, high)
    for tier in tiers:
        step = (funds + 2) * reach
        clusters = _clusters(tier, high - low)
        multiples = _multiples(clusters, high - low, least_step=4.0 * funds * below)
        if multiples is not None:
            pieces += [_exact(each, q * step, high) for each, q in zip(clusters, multiples, strict=True)]
            reach += max(abs(q) for q in multiples) * step
        elif any(each.high > 0 for each in tier):
            return None
        else:
            nearest, farthest = min(each.nearest for each in tier), max(each.farthest for each in tier)
            wide = min(farthest / nearest, _DRAWN_TOGETHER)
            scale = (wide - 1.0) * step / (farthest - nearest)
            pieces.append(Piece(-farthest, -nearest, -step, -nearest, scale, exact=False))
            reach += wide * step
        below = max(each.farthest for each in tier)
    return pieces


def _clusters(tier: list[_Range], span: float) -> list[_Range]:
    """Ranges that lie within an ordinary span of each other as one."""
    clusters: list[_Range] = []
    for each in sorted(tier, key=lambda each: each.low):
        if clusters and each.high - clusters[-1].low <= span:
            each = _Range(clusters.pop().low, each.high)
        clusters.append(each)
    return clusters


def _multiples(clusters: list[_Range], span: float, least_step: float) -> list[int] | None:
    """Each cluster as a whole multiple of one step, at least `least_step` money; None where there is none."""
    if len(clusters) == 1:
        only = clusters[0]
        return [1 if only.low > 0 else -1] if only.high - only.low <= span else None
    if any(each.low < each.high for each in clusters):
        return None
    values = [Fraction(each.low) for each in clusters]
    whole = lcm(*(value.denominator for value in values))
    step = Fraction(gcd(*(int(value * whole) for value in values)), whole)
    multiples = [int(value / step) for value in values]
    return multiples if step >= least_step and max(abs(q) for q in multiples) <= _MULTIPLES else None


def _exact(cluster: _Range, level: float, high: float) -> Piece:
    """The piece of one value, or of one value but for ordinary money, which then ends at `high`."""
    base = cluster.low if cluster.low == cluster.high else cluster.high - high
    return Piece(cluster.low, cluster.high, level, base, 1.0, exact=True)

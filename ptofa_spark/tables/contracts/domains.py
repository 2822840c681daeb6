"""Conditions on the rows of each table, declared once for Delta's CHECK constraints, the quarantine and `ingest`.

Each rule is a SQL condition on the non-null columns of one row. In Spark's SQL, NaN is greater than any number, so an
upper bound rejects it.
"""

from __future__ import annotations

from dataclasses import dataclass

_LARGEST = "1e12D"


@dataclass(frozen=True)
class Domain:
    """A rule. column: the checked column; holds: SQL condition of a good row; wanted: the condition in words."""

    column: str
    holds: str
    wanted: str

    @property
    def fault(self) -> str:
        """The reason recorded for a row that breaks the rule."""
        return f"{self.column}: expected {self.wanted}"


_TOLERANCE = Domain("risk_tolerance", "risk_tolerance BETWEEN 1 AND 5", "1 to 5")
_LEVEL = Domain("risk_level", "risk_level BETWEEN 1 AND 5", "1 to 5")
_REVENUE = Domain("revenue", f"revenue BETWEEN 0 AND {_LARGEST}", "0 to 1e12")
_PROPENSITY = Domain(
    "propensity", "propensity IS NULL OR (propensity > 0 AND propensity <= 1)", "above 0 and at most 1, or null"
)

# Money is summed exactly, in 64-bit multiples of 1e-4; hence its upper bound.
DOMAINS: dict[str, tuple[Domain, ...]] = {
    "users": (_TOLERANCE,),
    "funds": (_LEVEL,),
    "demands": (Domain("demand", "demand >= 0", "0 or more"),),
    "transactions": (Domain("amount", f"amount > 0 AND amount <= {_LARGEST}", "above 0 and at most 1e12"),),
    "exposures": (
        _REVENUE,
        Domain("conversion", "conversion OR revenue = 0", "true where there is revenue"),
        Domain("click", "click OR NOT conversion", "true where conversion is true"),
        _PROPENSITY,
    ),
    "truth": (
        Domain("p_c", "p_c BETWEEN 0 AND 1", "0 to 1"),
        Domain("sigma", f"sigma BETWEEN 0 AND {_LARGEST}", "0 or more"),
    ),
    "user_features": (_TOLERANCE,),
    "fund_features": (_LEVEL,),
    "examples": (
        _REVENUE,
        Domain("conversion", "conversion = 1 OR (conversion = 0 AND revenue = 0)", "1, or 0 without revenue"),
        Domain("click", "click = 1 OR (click = 0 AND conversion = 0)", "1, or 0 without a conversion"),
        _PROPENSITY,
        Domain("split", "split IN ('train', 'validation', 'test')", "train, validation or test"),
    ),
    "scores": (_TOLERANCE,),
    "allocation": (Domain("slot", "slot >= 1", "1 or more"),),
}


def constraints(table: str) -> dict[str, str]:
    """Delta's name and SQL condition of each CHECK constraint of a table; a table without rules has none."""
    return {f"{domain.column}_in_domain": domain.holds for domain in DOMAINS.get(table, ())}

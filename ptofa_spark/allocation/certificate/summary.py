"""What an allocation reports: `allocation.json`, written by `allocate` and read by the evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ptofa_spark.allocation.scores.reading.account import InputsUsed
from ptofa_spark.errors import UserError
from ptofa_spark.running.whole_file import write_json

ALLOCATION_JSON = "allocation.json"


@dataclass(frozen=True)
class Violations:
    """How far an allocation is from the constraints; all 0 when it meets them.

    c1: users who did not get exactly K distinct funds. c2: sum over funds of |delivered - demand|.
    c3: exposures whose pair is not eligible.
    """

    c1: int
    c2: int
    c3: int


@dataclass(frozen=True)
class FundSummary:
    """One fund's line: exposures demanded and delivered, the money they are expected to bring, alpha and price."""

    fund_id: str
    risk_level: int
    demand: int
    delivered: int
    expected_revenue: float
    alpha: float | None
    price: float | None


@dataclass(frozen=True)
class MarkedSummary:
    """Pairs marked by a number far beyond all other revenues, such as -1e15 (see `marks`).

    count: eligible pairs that are marked; negative: those below 0; not_eligible: those that were treated as not
    eligible, as asked for; allocated: rows of the allocation; lowest, highest: money, of the marks; ordinary_largest:
    money, largest |E| of the other pairs; ordinary_objective: money, the objective without marked pairs.
    """

    count: int
    negative: int
    not_eligible: int
    allocated: int
    lowest: float
    highest: float
    ordinary_largest: float
    ordinary_objective: float


@dataclass(frozen=True)
class AllocationSummary:
    """One allocation, as in `allocation.json`.

    method: what was asked for; allocated_by: what made it, ha where exact did not reach the optimum. objective: money
    (paper, eq. 1). upper_bound: money, no allocation that keeps C1, C2 and C3 is worth more.
    certified_gap: (upper_bound - objective) / |objective|, where pairs are marked absolute_gap by the money of the
    ordinary pairs; an allocation that breaks a constraint may be worth more than any that keeps them, so for `manual`
    read the violations first. worst_cycle: money per exposure, see `certificate`. absolute_gap: money that the
    allocation lacks of the optimum, at most. All four are null where no allocation is feasible. users_served: users
    with exactly K funds; phases: steps of the plan; seconds: by step; marked_pairs: null where none is; inputs: None in
    a file of an earlier version.
    """

    campaign_id: str
    method: str
    allocated_by: str
    k: int
    demand_mode: str
    users: int
    users_served: int
    exposures: int
    objective: float
    upper_bound: float | None
    certified_gap: float | None
    worst_cycle: float | None
    violations: Violations
    phases: int
    funds: tuple[FundSummary, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    inputs: InputsUsed | None = None
    absolute_gap: float | None = None
    marked_pairs: MarkedSummary | None = None

    def line(self) -> str:
        """The allocation in one line."""
        off = self.violations
        made = self.method if self.allocated_by == self.method else f"{self.method}, allocated by {self.allocated_by}"
        return (
            f"{made}: objective {self.objective:,.2f}, {self.users_served:,} of {self.users:,} users served, "
            f"off C1 {off.c1:,}{self._allowed(off.c1, 'partial')}, "
            f"off C2 {off.c2:,}{self._allowed(off.c2, 'at-most')}, off C3 {off.c3:,}, {self._gap()}"
            f"{'' if self.inputs is None else '; ' + self.inputs.line()}"
        )

    def _allowed(self, count: int, mode: str) -> str:
        # The audit has refused what no mode allows: an exposure above a demand, a user with more than K funds.
        return f" (demand mode {mode} allows it)" if count and self.demand_mode == mode else ""

    def _gap(self) -> str:
        if self.upper_bound is None:
            return f"no allocation keeps every constraint{self._marked()}"
        if self.absolute_gap is not None and self._marked():
            # A gap by a sum that one pair rules would prove nothing.
            return f"certified within {max(self.absolute_gap, 0.0):,.2f} of the optimum in money{self._marked()}"
        if self.certified_gap is None:
            return f"no feasible allocation is worth more than {self.upper_bound:,.2f}"
        money = "" if self.absolute_gap is None else f", {max(self.absolute_gap, 0.0):,.2f} in money"
        return f"certified within {max(self.certified_gap, 0.0):.2g} of the optimum{money}"

    def _marked(self) -> str:
        marked = self.marked_pairs
        if marked is None or marked.allocated == 0:
            return ""
        return (
            f", {marked.allocated:,} of {marked.count:,} marked pairs ({marked.lowest:g} to {marked.highest:g}) "
            f"allocated, objective without them {marked.ordinary_objective:,.2f}"
        )

    def write(self, directory: str) -> Path:
        """Writes `directory/allocation.json` and returns its path."""
        path = Path(directory) / ALLOCATION_JSON
        write_json(path, asdict(self))
        return path

    @classmethod
    def read(cls, directory: str) -> AllocationSummary:
        """Reads `directory/allocation.json`.

        Raises:
            UserError: no allocation was reported there.
        """
        path = Path(directory) / ALLOCATION_JSON
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}): run allocate with --report {directory}"
            ) from error
        except ValueError as error:
            raise UserError(f"{path} is no JSON ({error}): run allocate with --report {directory} again") from error
        try:
            content["violations"] = Violations(**content["violations"])
            content["funds"] = tuple(FundSummary(**fund) for fund in content["funds"])
            if content.get("inputs") is not None:
                content["inputs"] = InputsUsed(**content["inputs"])
            if content.get("marked_pairs") is not None:
                content["marked_pairs"] = MarkedSummary(**content["marked_pairs"])
            return cls(**content)
        except (TypeError, KeyError) as error:
            raise UserError(
                f"{path} is no summary of this version ({error}): run allocate with --report {directory} again"
            ) from error

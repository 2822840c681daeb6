"""What the long tests tried, as one JSON file and one page: `pytest -m long -p tests.long_tests --summary=PLACE`.

A test says what it tries by pytest's `record_property`, with a kind and a count by name. It says so before it asserts.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.lines import versions

# The kinds, and what the page says of each.
KINDS = {
    "faults": "Faults. A fault is survived if nothing was half-written and the same command then gave the same tables.",
    "inputs": "Mutated inputs. Each was read or allocated as it should be, or refused in one line.",
    "tables": "Tables that were written under other conditions, and compared with those of local mode bit by bit.",
}
SLOWEST = 12


@dataclass
class Summary:
    """What was tried, and what of it by tests that passed: counts by kind and name. seconds: by test."""

    tried: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in KINDS})
    passed: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in KINDS})
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, report: pytest.TestReport) -> None:
        """Adds a phase of a test. A test counts once, by its call, or by the phase that kept it from being called."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when != "call" and report.passed:
            return
        self.outcomes[report.outcome] += 1
        for kind, counts in report.user_properties:
            self.tried[kind].update(counts)
            if report.passed:
                self.passed[kind].update(counts)

    def as_json(self, wall: float) -> str:
        """All of it; wall: seconds of the run."""
        found = {
            "command": "make test-long",
            "versions": versions(),
            "seconds": round(wall),
            "tests": dict(sorted(self.outcomes.items())),
            "failed": sorted(set(self.failed)),
            **{
                kind: {name: {"tried": self.tried[kind][name], "passed": self.passed[kind][name]} for name in names}
                for kind, names in ((kind, sorted(self.tried[kind])) for kind in KINDS)
            },
            "slowest": {test: round(seconds) for test, seconds in self.seconds.most_common(SLOWEST)},
        }
        return json.dumps(found, indent=2) + "\n"


def page(text: str) -> str:
    """The page of a summary's JSON."""
    found = json.loads(text)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in found["tests"].items())
    lines = [
        "# The long tests",
        "",
        f"`{found['command']}`: {counted}, in {found['seconds'] / 3600:.1f} hours. {found['versions']}.",
    ]
    for kind, said in KINDS.items():
        rows = [f"| {name} | {each['tried']:,} | {each['passed']:,} |" for name, each in found[kind].items()]
        total = [sum(each[column] for each in found[kind].values()) for column in ("tried", "passed")]
        rows.append(f"| all | {total[0]:,} | {total[1]:,} |")
        lines += ["", said, "", f"| {kind} | tried | passed |", "|---|---|---|", *rows]
    slow = [f"| {test} | {seconds:,} |" for test, seconds in found["slowest"].items()]
    lines += ["", "The slowest tests:", "", "| test | seconds |", "|---|---|", *slow]
    if found["failed"]:
        lines += ["", "Failed:", "", *(f"- {test}" for test in found["failed"])]
    return "\n".join(lines) + "\n"


class Collector:
    """Collects the reports of a run, and writes the summary at its end."""

    def __init__(self, place: Path) -> None:
        self._place, self._summary, self._begun = place, Summary(), time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._summary.add(report)

    def pytest_sessionfinish(self) -> None:
        text = self._summary.as_json(time.monotonic() - self._begun)
        self._place.with_suffix(".json").write_text(text, encoding="utf-8")
        self._place.with_suffix(".md").write_text(page(text), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--summary", type=Path, help="the files to write, without their suffix")


def pytest_configure(config: pytest.Config) -> None:
    place = config.getoption("summary")
    # With xdist the process that started the others has all reports.
    if place and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(place))

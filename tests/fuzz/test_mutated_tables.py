"""Mutated tables are given to each job's reading step and to whole allocations: a true result, or one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.errors import UserError
from ptofa_spark.features.facts.raw import read_raw
from ptofa_spark.tables.contracts.schemas import (
    ALLOCATION,
    COMPACT_SCORES,
    EXAMPLES,
    FUND_FEATURES,
    TRUTH,
    USER_FEATURES,
)
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.reading import read_table
from tests.fuzz.mutations import mutated, write
from tests.run_job import run_job

START = date(2025, 3, 3)
FUNDS = ("cash", "bond", "mixed", "stock")


def campaign(rng: np.random.Generator, k: int = 1) -> dict[str, pd.DataFrame]:
    """A small campaign as tables: pairs, funds and demands that agree, with k exposures per user."""
    users = int(rng.integers(8, 30))
    tolerance = rng.integers(2, 6, users)
    demand = rng.multinomial(users, [0.4, 0.3, 0.2, 0.1])
    demand[0] += demand[1:].sum() - (kept := np.minimum(demand[1:], 2)).sum()
    demand[1:] = kept
    if k > 1:
        demand = np.bincount(np.argsort(rng.random((users, 4)), axis=1)[:, :k].ravel(), minlength=4)
    pairs = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(users), 4),
            "risk_tolerance": np.repeat(tolerance, 4),
            "fund_id": list(FUNDS) * users,
            "expected_revenue": rng.lognormal(1, 1, 4 * users).round(4),
        }
    )
    funds = pd.DataFrame({"fund_id": FUNDS, "risk_level": [1, 2, 2, 2]})
    demands = pd.DataFrame({"campaign_id": "week_05", "fund_id": FUNDS, "demand": demand})
    return {"pairs": pairs, "funds": funds, "demands": demands}


def raw_tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """A small platform's raw tables."""
    made = campaign(rng)
    users = made["pairs"].drop_duplicates("user_id")[["user_id", "risk_tolerance"]]
    count = len(users)
    fund = rng.choice(FUNDS, count)
    moment = pd.Timestamp("2025-01-01", tz=UTC) + pd.to_timedelta(rng.integers(0, 50, count), "D")
    return {
        "users": users.assign(age=rng.integers(20, 70, count), city="Köln"),
        "funds": made["funds"].assign(fee=0.1),
        "campaigns": pd.DataFrame({"campaign_id": ["week_05"], "start_date": [START]}),
        "transactions": pd.DataFrame(
            {"user_id": users["user_id"], "fund_id": fund, "transacted_at": moment, "amount": 10.0}
        ),
        "exposures": pd.DataFrame(
            {"campaign_id": "week_05", "user_id": users["user_id"], "fund_id": fund, "propensity": 0.25,
             "click": True, "conversion": False, "revenue": 0.0}
        ),
        "demands": made["demands"],
    }  # fmt: skip


def frame_of(schema: StructType, rng: np.random.Generator) -> pd.DataFrame:
    """Rows that keep a contract, from its types."""
    made: dict[str, object] = {}
    for field in schema:
        kind = field.dataType.simpleString()
        made[field.name] = {
            "bigint": rng.integers(0, 50, 6),
            "int": rng.integers(1, 6, 6).astype(np.int32),
            "double": rng.random(6),
            "string": rng.choice(FUNDS, 6),
            "date": [START] * 6,
            "array<string>": [list(FUNDS)] * 6,
            "array<double>": [list(rng.random(4)) for _ in range(6)],
        }[kind]
    return pd.DataFrame(made)


def read_step(spark: SparkSession, step: str, root: Path, rng: np.random.Generator) -> None:
    """The reading of one job, to its last row, from mutated tables."""
    if step == "build_features":
        for name, frame in raw_tables(rng).items():
            write(mutated(frame, rng) if rng.random() < 0.4 else frame, root / name, rng)
        raw = read_raw(spark, str(root), None, datetime(2026, 1, 1, tzinfo=UTC))
        assert all(raw.good(name).count() >= 0 for name in raw.frames)
    elif step == "allocate":
        for name, frame in campaign(rng).items():
            write(mutated(frame, rng) if rng.random() < 0.5 else frame, root / name, rng)
        tables = PinnedTables(spark)
        asked, funds = read_campaign_funds(tables, str(root / "funds"), str(root / "demands"), None)
        look = Look(int(rng.integers(2)) * 1_000, max_classes=100)
        scores = read_scores(tables, str(root / "pairs"), asked, funds, look)
        assert scores.profile.classes.users.sum() == scores.rows.frame.count() > 0
        scores.release()
    else:
        schema = {
            "train": EXAMPLES, "score": USER_FEATURES, "funds": FUND_FEATURES, "evaluate": TRUTH, "audit": ALLOCATION,
            "compact": COMPACT_SCORES,
        }[step]  # fmt: skip
        write(mutated(frame_of(schema, rng), rng), root / step, rng)
        rows = read_table(spark, str(root / step), schema)
        assert [(field.name, field.dataType) for field in rows.schema] == [
            (field.name, field.dataType) for field in schema
        ]
        rows.write.format("noop").mode("overwrite").save()


STEPS = ("build_features", "allocate", "train", "score", "funds", "evaluate", "audit", "compact")


def one_line(error: UserError) -> None:
    said = " ".join(str(error).split())
    assert 10 < len(said) < 1_500
    assert "at org.apache" not in said
    assert "Traceback" not in said


def fuzz_reading(spark: SparkSession, root: Path, step: str, seeds: range) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        rng = np.random.default_rng([seed, STEPS.index(step)])
        try:
            read_step(spark, step, root / f"{seed}", rng)
            outcomes["read"] += 1
        except UserError as error:
            one_line(error)
            outcomes["refused"] += 1
        except Exception as error:
            error.add_note(f"step {step}, seed {seed}")
            raise
    return outcomes


@pytest.mark.parametrize("step", STEPS)
def test_a_mutated_table_is_read_or_refused_in_one_line(spark: SparkSession, tmp_path: Path, step: str) -> None:
    outcomes = fuzz_reading(spark, tmp_path, step, range(8))
    assert outcomes.total() == 8


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.timeout(3_000)
def test_two_thousand_mutated_tables_are_read_or_refused(
    spark: SparkSession, tmp_path: Path, record_property: Callable[[str, object], None], step: str
) -> None:
    outcomes = fuzz_reading(spark, tmp_path, step, range(8, 258))
    record_property("inputs", {f"tables of {step}, {outcome}": count for outcome, count in outcomes.items()})
    assert min(outcomes["read"], outcomes["refused"]) > 25


def allocate(root: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> str:
    """One whole allocation of mutated tables, audited: allocated or refused."""
    k = int(rng.integers(1, 4))
    for name, frame in campaign(rng, k).items():
        write(mutated(frame, rng) if rng.random() < 0.35 else frame, root / name, rng)
    method = ("ha", "exact", "manual")[rng.integers(3)]
    mode = ("exact", "at-most", "partial", "scale")[rng.integers(4)]
    words = [
        f"--scores={root}/pairs", f"--funds={root}/funds", f"--demands={root}/demands",
        f"--output={root}/allocation", f"--report={root}/report", f"--method={method}", f"--demand-mode={mode}",
        f"--k={k}",
    ]  # fmt: skip
    code, line = run_job("allocate", *words, capsys=capsys)
    if code:
        assert code == 2, line
        assert line.startswith("error: ")
        assert len(line) < 2_000
        assert not (root / "allocation").exists()
        return "refused"
    audit = [word for word in words if not word.startswith(("--output", "--report", "--method"))]
    audit.append(f"--allocation={root}/allocation")
    if method == "manual":
        audit = [word for word in audit if not word.startswith("--demand-mode")] + ["--demand-mode=partial"]
    code, line = run_job("audit", *audit, capsys=capsys)
    assert code == 0 or method == "manual", line
    return "allocated"


def fuzz_allocations(root: Path, seeds: range, capsys: pytest.CaptureFixture[str]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        try:
            outcomes[allocate(root / f"{seed}", np.random.default_rng([seed, 99]), capsys)] += 1
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    return outcomes


def test_a_mutated_campaign_is_allocated_or_refused_in_one_line(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuzz_allocations(tmp_path, range(4), capsys).total() == 4


@pytest.mark.long
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("first", range(4, 304, 50))
def test_three_hundred_mutated_campaigns_are_allocated_or_refused(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None], first: int,
) -> None:  # fmt: skip
    outcomes = fuzz_allocations(tmp_path, range(first, first + 50), capsys)
    record_property("inputs", {f"campaigns, {outcome}": count for outcome, count in outcomes.items()})
    assert min(outcomes["allocated"], outcomes["refused"]) > 5

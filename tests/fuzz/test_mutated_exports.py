"""Whatever an export did to the files, the result is that of the clean files or a refusal in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.allocation.scores.marked_pairs import marked_scores
from ptofa_spark.allocation.scores.reading.account import require_scored
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.errors import UserError
from ptofa_spark.tables.delta.pinned import PinnedTables
from tests.fuzz.exports.every_kind import KINDS
from tests.fuzz.exports.export import Export, clean
from tests.fuzz.exports.kinds import REFUSED, SAME

SEED = 20_261_128
ROUNDS_AN_EXPORT = 10
NEVER_SAID = ("Traceback", "Spark failed", "Py4J", "\tat ", "bug of this program")


def result(spark: SparkSession, export: Export, root: Path) -> Any:
    """All that a method is given, or the refusal's line."""
    root.mkdir(parents=True)
    places = export.write(root)
    try:
        tables = PinnedTables(spark)
        campaign, funds = read_campaign_funds(tables, places["funds"], places["demands"], None)
        look = Look(1_000, max_classes=1_000)
        given = read_scores(tables, places["scores"], campaign, funds, look)
        try:
            marked = marked_scores(given, funds, "not-eligible", look)
            require_scored(given.read, funds, marked.profile.scored)
            rows = marked.scores.frame.orderBy("user_id").collect()
        finally:
            given.release()
    except UserError as error:
        line = str(error)
        assert line
        assert not any(word in line for word in NEVER_SAID), line
        return line
    eligible = [
        (
            row[0],
            row[1],
            tuple(e if row[1] >= level else None for e, level in zip(row[2], funds.risk_levels, strict=True)),
        )
        for row in rows
    ]
    return campaign, funds.ids, funds.risk_levels.tolist(), funds.demand.tolist(), eligible


def mutated(export: Export, kinds: tuple[str, ...], rng: np.random.Generator) -> tuple[Export, tuple[str, ...]]:
    """The mutations one after the other, and their kinds.

    A later kind that cannot act on what the earlier ones left is not done, say on a column that one of them renamed.
    """
    done = kinds[:1]
    export = KINDS[done[0]][0](export, rng)
    for kind in kinds[1:]:
        try:
            export = KINDS[kind][0](export, rng)
        except (KeyError, ValueError, OverflowError):
            continue
        done = (*done, kind)
    return export, done


def outcome(found: Any, wanted: Any) -> str:
    """same, refused or another: what a changed export's result is to that of the clean files."""
    if isinstance(found, str):
        return REFUSED
    return SAME if found == wanted else "another"


@pytest.fixture(scope="module")
def clean_result(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What comes of the clean files that each kind changes."""
    return result(spark, clean(np.random.default_rng(SEED)), tmp_path_factory.mktemp("clean") / "files")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_export_gives_what_it_must(
    spark: SparkSession, clean_result: Any, tmp_path: Path, kind: str
) -> None:
    assert not isinstance(clean_result, str), clean_result
    export = clean(np.random.default_rng(SEED))
    changed = KINDS[kind][0](export, np.random.default_rng((SEED, list(KINDS).index(kind))))
    found = result(spark, changed, tmp_path / "mutated")
    assert outcome(found, clean_result) == KINDS[kind][1], found


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("first", range(0, 3_000, 250))
def test_three_thousand_mutated_exports_are_read_right_or_refused(
    spark: SparkSession, tmp_path: Path, record_property: Callable[[str, object], None], first: int
) -> None:
    """One kind gives its own outcome. Two kinds at once give the clean files' result or a refusal."""
    counts: Counter[str] = Counter()
    names = list(KINDS)
    for round_ in range(first, first + 250):
        rng = np.random.default_rng((SEED, 7, round_))
        kinds = tuple(rng.choice(names, 1 + int(rng.random() < 0.5), replace=False))
        if round_ % ROUNDS_AN_EXPORT == 0:
            export = clean(np.random.default_rng((SEED, round_)))
            wanted = result(spark, export, tmp_path / str(round_) / "clean")
            assert not isinstance(wanted, str), wanted
        changed, kinds = mutated(export, kinds, rng)
        what = result(spark, changed, tmp_path / str(round_) / "mutated")
        found = outcome(what, wanted)
        allowed = {KINDS[kinds[0]][1]} if len(kinds) == 1 else {SAME, REFUSED}
        assert found in allowed, (kinds, round_, what)
        counts[found] += 1
    record_property("inputs", {f"exports, {found}": count for found, count in counts.items()})
    assert min(counts[SAME], counts[REFUSED]) > 40

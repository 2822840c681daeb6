"""What-if on real tables: never below the changed problem's optimum, and close above it, as OR-Tools shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.allocation.what_if.changes import changed, read_changes
from ptofa_spark.allocation.what_if.settings import WhatIfSettings
from ptofa_spark.allocation.what_if.what_if import Outlook, what_if
from ptofa_spark.errors import ConfigError
from tests.allocation.instances import Instance, feasible_instance
from tests.run_job import run_job

LEVELS = np.array([1, 1, 2, 3, 4, 5])
FUNDS = [f"F{f:03d}" for f in range(len(LEVELS))]


@pytest.fixture(scope="module")
def instance() -> Instance:
    """3,000 users, six funds, K = 2."""
    return feasible_instance(np.random.default_rng(5), 3_000, LEVELS, k=2)


@pytest.fixture(scope="module")
def tables(spark: SparkSession, instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The instance as tables of files."""
    root = tmp_path_factory.mktemp("what_if")
    rows = [
        (user, 5, FUNDS[fund], float(instance.expected_revenue[user, fund]))
        for user, fund in zip(*np.nonzero(instance.eligible), strict=True)
        for user, fund in [(int(user), int(fund))]
    ]
    pairs = "user_id bigint, risk_tolerance int, fund_id string, expected_revenue double"
    spark.createDataFrame(rows, pairs).write.parquet(f"{root}/scores")
    funds = [(fund, int(level)) for fund, level in zip(FUNDS, LEVELS, strict=True)]
    spark.createDataFrame(funds, "fund_id string, risk_level int").write.parquet(f"{root}/funds")
    write_demands(spark, f"{root}/demands", instance.demand)
    return {name: f"{root}/{key}" for name, key in INPUTS.items()} | {"root": str(root)}


INPUTS = {"expected_revenue": "scores", "funds": "funds", "demands": "demands"}


def write_demands(spark: SparkSession, path: str, demand: np.ndarray) -> None:
    rows = [("c", fund, int(count)) for fund, count in zip(FUNDS, demand, strict=True)]
    spark.createDataFrame(rows, "campaign_id string, fund_id string, demand bigint").write.parquet(path)


ASKED = "F003+10%; F000 -20%; drop F004; k=1"


@pytest.fixture(scope="module")
def outlooks(spark: SparkSession, tables: dict[str, str]) -> list[Outlook]:
    """What the driver finds of today's campaign and of each change."""
    settings = WhatIfSettings(**{name: tables[name] for name in INPUTS}, report=tables["root"], k=2, changes=ASKED)
    return what_if(spark, settings)


def test_the_outlook_is_what_solving_again_finds(
    instance: Instance, tables: dict[str, str], outlooks: list[Outlook]
) -> None:
    by_change = {each.change: each for each in outlooks}
    assert list(by_change) == ["today", "F003+10%", "F000 -20%", "drop F004", "k=1"]
    campaign = instance.campaign()
    for change, outlook in by_change.items():
        other = campaign if change == "today" else changed(campaign, change)
        # Whole numbers of the flow so small that their rounding does not show.
        optimum = replace(instance, demand=other.funds.demand, k=other.k).optimum(scale=1e8)
        assert outlook.at_most is not None
        assert optimum <= outlook.at_most <= optimum * (1 + 1e-6)
        if outlook.by_prices is not None:
            # Prices say nothing of how they change themselves: an upper bound as well, and less close.
            assert optimum * (1 - 1e-9) <= outlook.by_prices <= optimum * 1.05
    assert by_change["k=1"].by_prices is None
    written = json.loads((Path(tables["root"]) / "what_if.json").read_text(encoding="utf-8"))
    assert [row["at_most"] for row in written] == [each.at_most for each in outlooks]


def test_the_spark_passes_give_the_drivers_figures(
    spark: SparkSession, tables: dict[str, str], outlooks: list[Outlook], tmp_path: Path
) -> None:
    inputs = {name: tables[name] for name in INPUTS}
    settings = WhatIfSettings(**inputs, report=str(tmp_path), k=2, changes="F003+10%", driver_users=0)
    assert what_if(spark, settings) == outlooks[:2]


def test_a_change_that_leaves_no_allocation_says_why(
    spark: SparkSession, tables: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--{name.replace('_', '-')}={tables[name]}" for name in INPUTS]
    more = ["--report", str(tmp_path), "--k", "2", "--changes", "drop F000; k=9"]
    code, last = run_job("what_if", *words, *more, capsys=capsys)
    assert code == 0
    assert last.startswith("k=9: every user is to get K=9 distinct funds, the campaign has 6")
    _, dropped, nine = json.loads((tmp_path / "what_if.json").read_text(encoding="utf-8"))
    assert dropped["at_most"] is None
    assert nine["at_most"] is None
    assert "802 short" in dropped["reason"]


def test_changes_keep_the_sum_and_move_the_others_in_proportion(instance: Instance) -> None:
    campaign = instance.campaign()
    moved = changed(campaign, "F003+10%").funds.demand
    assert moved.sum() == campaign.funds.demand.sum()
    assert moved[3] == round(1.1 * campaign.funds.demand[3])
    others = np.arange(6) != 3
    ratio = moved[others] / campaign.funds.demand[others]
    assert np.ptp(ratio) < 0.01
    assert changed(campaign, "drop F002").funds.demand[2] == 0
    assert changed(campaign, "k=1").funds.demand.sum() == campaign.problem().users


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("F001*2", r"change 'F001\*2' cannot be read"),
        ("F009+10%", r"no fund 'F009'; the nearest fund of the campaign is 'F00"),
        ("k=0", r"K is at least 1"),
    ],
)
def test_a_change_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_changes(text, FUNDS)


def test_changes_name_every_fund_as_it_stands() -> None:
    """Blanks, signs and the words of the changes themselves in names; a semicolon in quotes."""
    names = ("a", "a ", "b;c", "drop a", "k=2", "x+5%")
    campaign = Instance(np.ones((60, 6)), np.full(6, 10), 1).campaign("partial")
    campaign = replace(campaign, funds=replace(campaign.funds, ids=names))
    asked = 'a-50%;a -50%; "drop b;c"; drop drop a; drop a-50%;k=2-50%;x+5%-50%; K=2'
    found = [changed(campaign, each) for each in read_changes(asked, names)]
    halved_or_dropped = [[f for f in range(6) if each.funds.demand[f] < 10] for each in found[:-1]]
    assert halved_or_dropped == [[0], [1], [2], [3], [3], [4], [5]]
    assert found[-1].k == 2
    for each in read_changes(None, names):
        assert changed(campaign, each).funds.demand.max() == 11
    assert [changed(campaign, each).funds.demand.argmin() for each in read_changes("drop a ;drop a", names)] == [1, 0]
    for text, said in {
        "a  -50%": "can be read in two ways: 'a' and 'a ' are funds",
        "drop b;c": 'stands in double quotes: "drop b;c"',
        "drop A": r"no fund 'A'; the nearest fund of the campaign is 'a' \(it differs by upper and lower case",
    }.items():
        with pytest.raises(ConfigError, match=said):
            read_changes(text, names)
    with pytest.raises(ConfigError, match="can be read in two ways: 'drop a' and 'a-5%' are funds"):
        read_changes("drop a-5%", (*names, "a-5%"))


def test_without_changes_every_fund_is_raised_by_a_tenth() -> None:
    assert read_changes(None, ["a", "b"]) == ["a+10%", "b+10%"]


def test_changes_of_demands_that_are_all_zero_and_of_names_with_a_line_break() -> None:
    campaign = Instance(np.ones((4, 2)), np.array([0, 0]), 1).campaign("partial")
    assert changed(campaign, "k=2").funds.demand.tolist() == [0, 0]
    assert read_changes("a\nb+10%; drop a\nb", ["a\nb"]) == ["a\nb+10%", "drop a\nb"]

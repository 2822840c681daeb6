"""Names that nearly agree are found, and their difference is said. They stay two names."""

from __future__ import annotations

import pytest

from ptofa_spark.errors import TableError
from ptofa_spark.tables.campaigns import names_campaigns, require_campaign
from ptofa_spark.tables.name_lists import in_quotes, readings
from ptofa_spark.tables.near_names import difference, instead, look_the_same, nearest_name

COMPOSED, DECOMPOSED = "\u00e9quit\u00e9", "e\u0301quite\u0301"
# A name, another that nearly agrees with it, their difference, whether they look the same.
NEAR = [
    ("b", "b ", "a trailing space", True),
    ("b", "  b", "leading spaces", True),
    ("a  b", "a b", "spaces inside", True),
    ("b", "b\u00a0", "a no-break space U+00A0", True),
    ("a b", "a\u3000b", "an ideographic space U+3000", True),
    ("b", "b\t", "a tab U+0009", True),
    ("\u57fa\u91d1", "\u57fa\u200b\u91d1", "a zero width space U+200B", True),
    ("b", "\ufeffb", "a zero width no-break space U+FEFF", True),
    (COMPOSED, DECOMPOSED, "another Unicode form", True),
    ("gold1", "gold\uff11", "another Unicode form", True),
    ("gold", "GOLD", "upper and lower case", False),
    ("Stra\u00dfe", "STRASSE", "upper and lower case", False),
    (COMPOSED.title(), DECOMPOSED, "another Unicode form and upper and lower case", False),
    ("Gold", "gold\u00a0", "a no-break space U+00A0 and upper and lower case", False),
]


@pytest.mark.parametrize(("name", "other"), [each[:2] for each in NEAR])
def test_a_name_that_nearly_agrees_is_the_nearest(name: str, other: str) -> None:
    for one, two in ((name, other), (other, name)):
        assert nearest_name(one, ["gold_2", "\u80a1\u7968", two, "cash"]) == two


@pytest.mark.parametrize(("name", "other", "words", "same"), NEAR)
def test_the_difference_of_two_names_is_said(name: str, other: str, words: str, same: bool) -> None:
    for one, two in ((name, other), (other, name)):
        assert difference(one, two) == words
        assert look_the_same(one, two) == same
        assert instead(one, [two]) == f"the nearest name there is {two!r} (it differs by {words})"


def test_a_name_is_near_by_its_letters_only_if_most_are_the_same() -> None:
    assert nearest_name("gold_1", ["silver", "gold-1", "gold_1"]) == "gold-1"
    assert (
        nearest_name("\u80a1\u7968\u57fa\u91d1", ["\u503a\u5238", "\u80a1\u7968\u57fa\u91d1A"])
        == "\u80a1\u7968\u57fa\u91d1A"
    )
    assert nearest_name("a", ["b", "c"]) is None
    assert nearest_name("a", ["a"]) is None
    assert nearest_name("o'hare", ["o\u2019hare"]) == "o\u2019hare"
    # The smaller difference goes first.
    assert nearest_name("b", ["B ", "b ", "B"]) == "B"


def test_without_a_near_name_up_to_eight_are_listed() -> None:
    many = [f"{number:04d}" for number in range(20)]
    assert instead("x", many, "fund", "in the scores") == (
        "the funds in the scores are " + ", ".join(repr(name) for name in many[:8]) + " and 12 more"
    )
    assert instead("x", [], "fund", "in the scores") == "no fund is in the scores"


def test_an_unknown_campaign_is_refused_with_the_nearest_name() -> None:
    require_campaign({"spring", "winter"}, "scores", "spring")
    with pytest.raises(TableError, match=r"no campaign 'Spring'; the nearest campaign there is 'spring' \(it"):
        require_campaign({"spring", "winter"}, "scores", "Spring")


def test_a_campaign_under_two_names_in_one_table_is_refused() -> None:
    with pytest.raises(TableError, match=r"'spring' and campaign 'spring ' .*a trailing space.*: write the name"):
        require_campaign({"spring", "spring ", "winter"}, "scores", "spring")


def test_a_column_of_campaigns_is_known_by_its_name() -> None:
    assert names_campaigns(["a", "\ufeffCampaign_ID"])
    assert not names_campaigns(["campaign", "id"])


@pytest.mark.parametrize(
    "names", [["a", "b"], ["Growth, Balanced", "a"], [' "x"', "a\nb", ","], ["o'hare", 'say "hi"']]
)
def test_every_name_can_be_written_in_quotes(names: list[str]) -> None:
    assert names in readings(",".join(map(in_quotes, names)), ",")
    assert names in readings(", ".join(map(in_quotes, names)), ",")

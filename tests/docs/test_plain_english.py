"""README and docs/ are short: at most 900 words per page of a stage, at most 25 words per sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
# A list of decisions, not the page of a stage.
STAGES = [page for page in PAGES if page.name != "decisions.md"]
LONGEST_PAGE = 900
LONGEST_SENTENCE = 25
LIST_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")


def without_code(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def word_count(text: str) -> int:
    """Words of a page outside its fenced blocks; a table's words count, its bars and dashes do not."""
    return len([word for word in without_code(text).split() if re.search(r"\w", word)])


def sentences(text: str) -> list[str]:
    """The sentences of a page: no code blocks, tables, headings, pictures or formulas on lines of their own.

    What stands in backticks counts as one word, a link as its text. A list item begins a sentence.
    """
    blocks = [""]
    for line in without_code(text).splitlines():
        if not line.strip() or re.match(r"\s*[|#]|\s*!\[| {4}", line):
            blocks.append("")
        elif LIST_ITEM.match(line):
            blocks.append(LIST_ITEM.sub("", line))
        else:
            blocks[-1] += " " + line.strip()
    plain = (re.sub(r"`[^`]+`", "CODE", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", block)) for block in blocks)
    found = [each for block in plain for each in re.split(r"(?<=[.?!])[*)]*\s+", block.strip())]
    return [sentence for sentence in found if sentence]


def too_long(text: str) -> list[str]:
    """The sentences that have more words than a reader should be asked to hold."""
    return [each for each in sentences(text) if len(re.findall(r"\S*\w\S*", each)) > LONGEST_SENTENCE]


def test_sentences_end_at_full_stops_and_list_items_alone() -> None:
    text = "# A head. Left out\nIt was .5, see\n`a.b. C`. [a link. B](c.md) ends.\n\n| a. B |\n- one\n- two. Three?\n"
    assert sentences(text) == ["It was .5, see CODE.", "a link.", "B ends.", "one", "two.", "Three?"]
    assert word_count("```\nno word of code\n```\nfour words, a | table\n|---|\n") == 4


def test_a_sentence_of_26_words_is_too_long() -> None:
    assert too_long("word " * 25 + ".") == []
    assert len(too_long("Short.\n" + "word " * 26 + ".")) == 1


@pytest.mark.parametrize("page", STAGES, ids=lambda page: page.name)
def test_a_page_has_at_most_900_words(page: Path) -> None:
    assert word_count(page.read_text(encoding="utf-8")) <= LONGEST_PAGE


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_a_sentence_has_at_most_25_words(page: Path) -> None:
    assert too_long(page.read_text(encoding="utf-8")) == []

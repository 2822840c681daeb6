"""The report: one file that needs nothing else, whose cells cannot break out of it."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np

from ptofa_spark.allocation.summary import AllocationSummary, FundSummary, Violations
from ptofa_spark.evaluation.calibration import calibration
from ptofa_spark.evaluation.contents import report_figures
from ptofa_spark.evaluation.metrics import Predicted
from ptofa_spark.evaluation.report import Heading, Table, render, write_whole
from ptofa_spark.evaluation.text_table import text_table

NASTY = "<script>alert('基金')</script>"


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def summary(method: str) -> AllocationSummary:
    funds = tuple(FundSummary(f"{NASTY}{n}", n, 10 * n, 10 * n, 5.0 * n, 1.5, None) for n in range(1, 6))
    none = Violations(0, 0, 0)
    return AllocationSummary("c", method, 1, "exact", 150, 150, 150, 75.0, None, None, None, none, 3, funds)


def test_report_is_whole_and_escapes_what_stands_in_its_cells() -> None:
    rng = np.random.default_rng(0)
    score = rng.lognormal(0, 1, 500)
    groups = calibration(score, score + rng.normal(0, 0.1, 500))
    figures = report_figures([summary("manual"), summary("ha")], groups, Predicted("m", score, score, score))
    table = Table("T", "note & more", ("fund", "x"), ((NASTY, "1"),))
    html = render(Heading(NASTY, "1", "2", "1", "ptofa"), [table], figures)
    seen = Elements()
    seen.feed(html)
    assert not [tag for tag, _ in seen.tags if tag in ("script", "link", "iframe")]
    assert "&lt;script&gt;" in html
    images = [attributes["src"] or "" for tag, attributes in seen.tags if tag == "img"]
    assert len(images) == len(figures) == 4
    for image in images:
        head, _, body = image.partition(",")
        assert head == "data:image/png;base64"
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(body)))
        assert pixels.shape[0] > 300
        assert pixels[..., 3].max() > 0.5  # something is drawn
        assert pixels[0, 0, 3] == 0  # on a transparent ground


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "report.html", "first")
    write_whole(tmp_path / "new" / "report.html", "second")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    assert (tmp_path / "new" / "report.html").read_text() == "second"


def test_summary_reads_back_what_it_wrote(tmp_path: Path) -> None:
    summary("ha").write(str(tmp_path))
    assert AllocationSummary.read(str(tmp_path)) == summary("ha")


def test_text_table_aligns_words_left_and_numbers_right() -> None:
    assert text_table(("name", "n"), [("a", "1,000"), ("long name", "2")]).splitlines() == [
        "name           n",
        "---------  -----",
        "a          1,000",
        "long name      2",
    ]

"""The report: one file that needs nothing else, whose cells cannot break out of it."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from ptofa_spark.allocation.certificate.summary import AllocationSummary, FundSummary, Violations
from ptofa_spark.errors import UserError
from ptofa_spark.evaluation.bootstrap import Interval
from ptofa_spark.evaluation.evaluate import evaluation_of
from ptofa_spark.evaluation.json_rows import write_rows
from ptofa_spark.evaluation.logged.lifts import Lift, Rates
from ptofa_spark.evaluation.predictions import predictions
from ptofa_spark.evaluation.predictions.calibration import calibration
from ptofa_spark.evaluation.predictions.metrics import Metrics, Outcomes, Predicted
from ptofa_spark.evaluation.report.contents import report_figures, report_tables
from ptofa_spark.evaluation.report.paper_tables import FIGURE_4, paper_figure, paper_tables
from ptofa_spark.evaluation.report.report import Heading, render
from ptofa_spark.evaluation.report.results import AllocationEvaluation
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.shown_table import Table
from ptofa_spark.evaluation.table_1.run import Run
from ptofa_spark.evaluation.table_2.arm_result import ArmResult, read_arms
from ptofa_spark.evaluation.truth.true_worth import TrueWorth
from ptofa_spark.running.text_table import text_table
from ptofa_spark.running.whole_file import write_whole

NASTY = "<script>alert('基金')</script>"


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def summary(method: str) -> AllocationSummary:
    funds = tuple(FundSummary(f"{NASTY}{n}", n, 10 * n, 10 * n, 5.0 * n, 1.5, n - 3.0) for n in range(1, 6))
    none = Violations(0, 0, 0)
    return AllocationSummary("c", method, method, 1, "exact", 150, 150, 150, 75.0, None, None, None, none, 3, funds)


def test_report_is_whole_and_escapes_what_stands_in_its_cells() -> None:
    rng = np.random.default_rng(0)
    score = rng.lognormal(0, 1, 500)
    groups = calibration(score, score + rng.normal(0, 0.1, 500))
    figures = report_figures(
        {name: summary(name) for name in ("manual", "ha")}, groups, Predicted("m", score, score, score)
    )
    table = Table("T", "note & more", ("fund", "x"), ((NASTY, "1"),))
    html = render(Heading(NASTY, "1", "2", "1", "ptofa"), [table], figures)
    seen = Elements()
    seen.feed(html)
    assert not [tag for tag, _ in seen.tags if tag in ("script", "link", "iframe")]
    assert "&lt;script&gt;" in html
    images = [attributes["src"] or "" for tag, attributes in seen.tags if tag == "img"]
    assert len(images) == len(figures) == 6
    for image in images:
        head, _, body = image.partition(",")
        assert head == "data:image/png;base64"
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(body)))
        assert pixels.shape[0] > 300
        assert pixels[..., 3].max() > 0.5  # something is drawn
        assert pixels[0, 0, 3] == 0  # on a transparent ground


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("model", "figures", "calibrated"), [("esmm", 5, "conversion"), ("dnn_r", 5, "revenue"), ("ptofa", 6, "both")]
)
def test_what_a_model_says_nothing_of_is_not_compared(model: str, figures: int, calibrated: str) -> None:
    """esmm hands over conversions, dnn_r money alone."""
    rng = np.random.default_rng(0)
    p_c = rng.uniform(0.0, 0.2, 500)
    conversion = (rng.uniform(size=500) < p_c).astype(np.float64)
    row = np.arange(500)
    outcomes = Outcomes(conversion, 90.0 * conversion, row, row % 2, ("bond", "équité"))
    said = {
        "esmm": Predicted(model, p_c, None, p_c, "conversions"),
        "dnn_r": Predicted(model, None, p_c, 90.0 * p_c),
        "ptofa": Predicted(model, p_c, p_c, 90.0 * p_c),
    }[model]
    judged = (AllocationEvaluation("ha", summary("ha"), None, None),)
    found = evaluation_of(predictions.TestSet(outcomes, said, None), judged, {}, EvaluateSettings(metric_bootstrap=20))
    titles = [table.title for table in report_tables(found) if table.title.startswith("Calibration of")]
    of = ("conversion", "revenue") if calibrated == "both" else (calibrated,)
    assert titles == [f"Calibration of {each}, by tenth of the exposures" for each in of]
    assert len(report_figures({"ha": summary("ha")}, found.conversion_calibration, said)) == figures


def run_of(warehouse: str, predictor: str, seed: int | None, auc: float | None) -> Run:
    figures = Metrics(predictor, auc, None, None, None, 0.5, 1.0, None, None)
    return Run(warehouse, predictor, seed, None, None, figures, 20.0 if seed else None, None)


def arm_of(method: str, lift: float | None) -> ArmResult:
    ends = Interval(2.5, 2.0, 3.0)
    over = None if lift is None else Lift(Interval(lift, 0.25, np.inf), ends)
    counts = (1_000, 990, Violations(0, 0, 0), 12)
    return ArmResult("ptofa", method, *counts, Rates(ends, ends), over, TrueWorth(2.0, 9.0, 990), 0.3, 0.1, 0.2, k=2)


def test_the_report_shows_the_rows_that_the_other_jobs_left_as_json(tmp_path: Path) -> None:
    runs = [run_of("w", "ptofa", 7, 0.8), run_of("w", "ptofa", 8, 0.6), run_of("w", "oracle", None, None)]
    write_rows(tmp_path / "table_1.json", [*runs, run_of("v", "ziln", 7, 0.9)])
    write_rows(tmp_path / "table_2.json", [arm_of("manual", None), arm_of("ha", 0.5)])
    # A page is for people: nothing is read from it.
    (tmp_path / "table_1.md").write_text("| other |\n| --- |\n| page |\n", encoding="utf-8")
    first, second, ours, papers = paper_tables(str(tmp_path))
    assert [table.title for table in (first, second, ours, papers)] == [
        "Table 1: w", "Table 1: v", "Table 2", "Table 2",
    ]  # fmt: skip
    assert first.head[:3] == ("model", "seeds", "AUC")
    assert [row[:3] for row in first.rows] == [("ptofa", "2", "0.7000 ± 0.1414"), ("oracle", "1", "-")]
    assert first.rows[0][-1] == ".9313 .4203 .1326"
    assert [row[:3] for row in second.rows] == [("ziln", "1", "0.9000")]
    assert ours.note.startswith("A simulated campaign, funds per user K = 2: a hash puts every user in one arm")
    assert [row[:3] for row in ours.rows] == [("ptofa+manual", "1,000", "10"), ("ptofa+ha", "1,000", "10")]
    # No JSON number is infinite; the file says null.
    assert [row[6] for row in ours.rows] == ["", "+50.0% [+25.0%, +inf%]"]
    assert papers.rows[-1] == ("P3", "PTOFA", "HA", "4.29", "25,558", "+26.54 %", "+53.89 %")


def test_what_no_other_job_left_is_no_table_of_the_report(tmp_path: Path) -> None:
    (tmp_path / "table_2.md").write_text("# Table 2\n\n| arm |\n| --- |\n| a |\n", encoding="utf-8")
    assert paper_tables(str(tmp_path)) == []


def test_arms_of_an_earlier_version_are_shown_without_the_k_that_it_did_not_write(tmp_path: Path) -> None:
    found = asdict(arm_of("manual", None))
    del found["k"]
    (tmp_path / "table_2.json").write_text(json.dumps([found]), encoding="utf-8")
    ours, _ = paper_tables(str(tmp_path))
    assert ours.note.startswith("A simulated campaign: a hash puts every user in one arm")


@pytest.mark.parametrize(("file", "job"), [("table_1.json", "compare_models"), ("table_2.json", "simulate_campaign")])
@pytest.mark.parametrize("text", ["[{", "3", '["arm"]', '[{"predictor": "ptofa"}]', '{"arms": []}'])
def test_rows_that_are_none_are_refused_with_the_file_and_the_job(
    tmp_path: Path, file: str, job: str, text: str
) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        paper_tables(str(tmp_path))
    line = str(refused.value)
    assert line.startswith(f"{tmp_path}/{file} holds no rows of {job} (")
    assert line.endswith(f": run {job} with --report {tmp_path} again, or remove the file")


def test_figure_4_is_shown_where_a_notebook_left_it(tmp_path: Path) -> None:
    assert paper_figure(str(tmp_path)) == []
    (tmp_path / FIGURE_4).write_bytes(b"png")
    (figure,) = paper_figure(str(tmp_path))
    assert figure.image == "data:image/png;base64,cG5n"


def browsed(command: list[str]) -> tuple[str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


@pytest.mark.thorough
def test_the_report_shows_in_a_browser_without_an_error(tmp_path: Path) -> None:
    """In headless Chromium, light and dark: every image drawn, nothing in the console."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    score = np.random.default_rng(0).lognormal(0, 1, 500)
    groups = calibration(score, score)
    figures = report_figures(
        {name: summary(name) for name in ("manual", "exact")}, groups, Predicted("m", score, score, score)
    )
    page = tmp_path / "report.html"
    table = Table("T", "note", ("fund", "x"), (("a", "1"),))
    page.write_text(render(Heading("c", "1", "2", "1", "ptofa"), [table], figures), encoding="utf-8")
    # What the page itself says of its images, once all of them are decoded.
    probe = (
        "<script>addEventListener('load', () => { document.body.dataset.drawn = "
        "[...document.images].filter(i => i.complete && i.naturalWidth > 300).length; });</script>"
    )
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{probe}</body>"), encoding="utf-8")
    common = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,2400",
    ]  # fmt: skip
    out, err = browsed([*common, "--dump-dom", probed.as_uri()])
    assert f'data-drawn="{len(figures)}"' in out
    assert "CONSOLE" not in err
    ground = []
    for scheme in ("0", "1"):
        shot = tmp_path / f"shot{scheme}.png"
        dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "1" else []
        browsed([*common, *dark, f"--screenshot={shot}", page.as_uri()])
        pixels = matplotlib.image.imread(shot)[..., :3]
        ground.append(float(pixels[5, 5].mean()))
        assert pixels.std() > 0.02  # something is drawn on it
    assert ground[0] > 0.9
    assert ground[1] < 0.2


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "report.html", "first")
    write_whole(tmp_path / "new" / "report.html", "second")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    assert (tmp_path / "new" / "report.html").read_text() == "second"


def test_summary_reads_back_what_it_wrote(tmp_path: Path) -> None:
    summary("ha").write(str(tmp_path))
    assert AllocationSummary.read(str(tmp_path)) == summary("ha")


def test_arms_read_back_as_they_were_written(tmp_path: Path) -> None:
    arms = (arm_of("manual", None), arm_of("ha", 1 / 3))
    write_rows(tmp_path / "table_2.json", arms)
    assert read_arms(str(tmp_path)) == arms


def test_text_table_aligns_words_left_and_numbers_right() -> None:
    assert text_table(("name", "n"), [("a", "1,000"), ("long name", "2")]).splitlines() == [
        "name           n",
        "---------  -----",
        "a          1,000",
        "long name      2",
    ]

"""README and docs name what is there: targets of the Makefile, jobs and their settings, links and files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ptofa_spark import __version__
from ptofa_spark.pipeline.every_setting import SETTINGS
from ptofa_spark.running.delta_jars import delta_package

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
JOBS = [name for name in SETTINGS if name != "spark"]
EVERY_JOB_HAS = {"config", "debug", "help"}
# Options of programs that are not ours; `--key` stands for any of ours.
OTHERS = {"packages", "conf", "py-files", "archives", "driver-memory", "key"}


def code(page: Path) -> list[str]:
    """The commands and words that a page sets as code, each with its continuation lines in one."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    lines = [line for fence in fences for line in fence.replace("\\\n", " ").splitlines()]
    return [" ".join(words.split()) for words in lines + inline]


def options(job: str) -> set[str]:
    """What stands after `--` for a job; conf/every_setting.yaml lists the same."""
    own = {name.replace("_", "-") for name in SETTINGS[job].model_fields}
    session = {f"spark.{name.replace('_', '-')}" for name in SETTINGS["spark"].model_fields}
    return own | session | EVERY_JOB_HAS


def anchors(page: Path) -> set[str]:
    """What a link may say after `#`: each heading in lower case, without punctuation, with dashes for spaces."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def given(words: str) -> set[str]:
    return set(re.findall(r"(?<!\S)--([a-z][\w.-]*)", words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_is_a_target_with_its_variables(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    for words in code(page):
        command = re.match(r"make ([a-z][\w-]*)(.*)", words.partition("#")[0])
        if command:
            assert command[1] in targets, words
            for variable in re.findall(r"\b([A-Z_]+)=", command[2]):
                assert f"$({variable})" in makefile, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_of_a_job_is_a_setting_of_it(page: Path) -> None:
    every = set().union(*(options(job) for job in JOBS))
    for words in code(page):
        by_path = re.search(r"(?:^|\s)jobs/([a-z_]+)\.py\b(.*)", words)
        by_name = re.match(r"ptofa ([a-z_]+)(.*)", words) or re.match(rf"({'|'.join(JOBS)})( .*|$)", words)
        command = by_path or by_name
        if command:
            job = "run_pipeline" if command[1] == "demo" else command[1]
            assert job in JOBS, words
            assert given(command[2]) <= options(job), words
        elif words.startswith("--"):
            assert given(words) <= every | OTHERS, words


def test_readme_lists_every_job() -> None:
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(table) == sorted(JOBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_version_is_that_of_the_newest_stack(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    newest = delta_package(pinned["delta-spark"], pinned["pyspark"])
    assert set(re.findall(r"--packages (\S+:\S+)", text)) <= {newest}
    assert set(re.findall(r"\bptofa_spark-([\d.]+)-", text)) <= {__version__}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"https?://", target):
            file, _, anchor = target.partition("#")
            path = page.parent / file if file else page
            assert path.exists(), target
            assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_the_project_that_is_named_is_there(page: Path) -> None:
    rooms = "tests|benchmarks|docs|conf|jobs|notebooks|ptofa_spark"
    for path in re.findall(rf"(?<![\w./-])(?:{rooms})/[a-z_][\w*./-]*", page.read_text(encoding="utf-8")):
        assert list(ROOT.glob(path.rstrip("./"))), path

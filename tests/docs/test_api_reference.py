"""`make docs`: the API reference is built without a warning and has what a reader looks for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent.relative_to(ROOT) for path in (ROOT / "ptofa_spark").rglob("__init__.py"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What the recipe of `make docs` builds with this interpreter, and what it prints; `make` might install first."""
    dist = tmp_path_factory.mktemp("dist")
    recipe = re.search(r"^docs:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    lines = recipe[1].replace("\t@", "").replace("$(PY)", sys.executable).replace("$(DIST)", str(dist))
    done = subprocess.run(["bash", "-euc", lines], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dist / "docs", done.stdout + done.stderr


def test_nothing_is_warned_about(built: tuple[Path, str]) -> None:
    pages, said = built
    assert said.strip() == f"{pages}/index.html"


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_each_package_has_a_page(built: tuple[Path, str], package: Path) -> None:
    assert (built[0] / package.with_suffix(".html")).is_file()


@pytest.mark.parametrize(
    ("page", "name", "word"),
    [
        ("allocation/heuristic/phase_loop.html", "heuristic_allocation", "algorithm"),
        ("allocation/problem/guard.html", "open_funds", "&gt;&gt;&gt; "),
        ("allocation/exact/price_loop.html", "exact_allocation", "CoreUnsolvedError"),
        ("allocation/certificate/audit.html", "audit", "Holds an allocation against the scores"),
        ("models/likelihoods.html", "entire_space_nll", "equation 6"),
        ("scoring/scorer.html", "score_users", "money per exposure, (users, funds)"),
    ],
)
def test_functions_stand_there_with_what_they_promise(built: tuple[Path, str], page: str, name: str, word: str) -> None:
    text = (built[0] / "ptofa_spark" / page).read_text(encoding="utf-8")
    assert f'id="{name}"' in text
    assert word in text


def test_no_page_names_a_place_on_the_machine_that_built_it(built: tuple[Path, str]) -> None:
    for page in built[0].rglob("*.html"):
        assert str(ROOT) not in page.read_text(encoding="utf-8"), page

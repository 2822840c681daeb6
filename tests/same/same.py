"""Proves that a refactoring changes no result, `make same BASE=<commit>`, or a stack: `make same STACK=<stack>`.

Checks the commit out beside the working tree, runs the same small campaigns through both (`small_runs`), at the same
time, and names every difference by file, row and column (`differences`). The exit code is 0 if there is none, 1 if
there is one, 2 if the runs failed. The results of a commit are kept under build/same and not made again.

For a stack, the working tree itself runs in both environments.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.same.differences import differences
from tests.same.small_runs import all_runs

ROOT = Path(__file__).parents[2]
RUNS = Path(__file__).with_name("small_runs.py")


@dataclass(frozen=True)
class Base:
    """What the working tree is compared with.

    name: as it is printed; tree: its files; folder: of its results; python: its interpreter; ran: these results exist;
    differing: names of files that may differ.
    """

    name: str
    tree: Path
    folder: Path
    python: str = sys.executable
    ran: bool = False
    differing: frozenset[str] = frozenset()


def main(argv: list[str] | None = None) -> int:
    """Compares the working tree with a commit, or with itself on another stack; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("base", nargs="?", help="commit, branch or tag to compare the working tree with")
    parser.add_argument("--python", help="interpreter of another stack, to compare with this one instead of a commit")
    parser.add_argument("--only", default="", help="only runs whose name has this in it")
    asked = parser.parse_args(argv)
    if not any(asked.only in run.name for run in all_runs()):
        print(f"error: no run has {asked.only!r} in its name: see small_runs.py for the names", file=sys.stderr)
        return 2
    if bool(asked.base) == bool(asked.python):
        print("error: name a commit or a stack: make same BASE=<commit>, or make same STACK=<stack>", file=sys.stderr)
        return 2
    base = _on_stack(asked.python) if asked.python else _checked_out(asked.base, asked.only)
    if base is None:
        print(f"error: {asked.base!r} is no commit of this repository: make same BASE=<commit>", file=sys.stderr)
        return 2
    now = _work() / "now"
    started = [_start(ROOT, now, asked.only)]
    if not base.ran:
        started.append(_start(base.tree, base.folder, asked.only, base.python))
    failed = wait_until_one_fails(started)
    if failed:
        logs = " and ".join(str(run.args[3]) + ".log" for run in failed)  # type: ignore[index]
        print(f"error: the runs did not end: {logs} says why", file=sys.stderr)
        return 2
    found = differences(base.folder, now, base.differing)
    print(*found, sep="\n", end="\n" if found else "")
    told = f"{len(found)} differences from" if found else "every table, plan, summary and weight is that of"
    print(f"{told} {base.name}")
    return 1 if found else 0


def wait_until_one_fails(runs: list[subprocess.Popen[bytes]]) -> list[subprocess.Popen[bytes]]:
    """Waits for the runs. Stops the others when one fails. Returns those that failed, none if all ended well."""
    while None in [run.poll() for run in runs]:
        failed = [run for run in runs if run.returncode]
        if failed:
            for run in runs:
                run.terminate()
                run.wait()
            return failed
        time.sleep(1)
    return [run for run in runs if run.returncode]


def _work() -> Path:
    return ROOT / "build" / "same"


def _on_stack(python: str) -> Base:
    # Versions of NumPy and scikit-learn add up the metrics in another order: the last digit differs.
    return Base(python, ROOT, _work() / "other_stack", python, differing=frozenset({"evaluation.json"}))


def _checked_out(name: str, only: str) -> Base | None:
    """A commit, whose files are written unless its results exist; None if there is no such commit."""
    asked = ["git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
    commit = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    if not commit:
        return None
    folder = _work() / f"{commit[:12]}-{_key(only)}"
    base = Base(f"{name} ({commit[:12]})", _work() / "tree", folder, ran=(folder / "exit_codes.json").is_file())
    if not base.ran:
        _check_out(commit, base.tree)
    return base


def _key(only: str) -> str:
    """What the runs depend on beside the tree."""
    return hashlib.sha256(RUNS.read_bytes() + only.encode()).hexdigest()[:12]


def _check_out(commit: str, tree: Path) -> None:
    """The commit's files, without a second checkout that git would know of."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=tree, input=packed.stdout, check=True)


def _start(tree: Path, folder: Path, only: str, python: str = sys.executable) -> subprocess.Popen[bytes]:
    """One tree's runs by one interpreter, in a process and a folder of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    words = [python, str(RUNS), str(tree), str(folder), only]
    with Path(f"{folder}.log").open("wb") as log:
        return subprocess.Popen(words, env=environment, stdout=log, stderr=log)


if __name__ == "__main__":
    sys.exit(main())

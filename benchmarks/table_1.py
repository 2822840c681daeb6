"""Table 1 of the paper, large enough to compare the models: every model, on a simulated platform or real customers.

Each word of `--models` is a process of its own. It runs `compare_models` for these models, on a copy of the
warehouse by hard links, because it writes tables there. The page is written from all lines in `--lines`. So lines of
earlier calls, for other seeds or models, count too: the same seed draws the platform and its truth everywhere. A call
that was interrupted keeps what it has measured; the same command continues from there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.features import HEAP
from benchmarks.jobs import job_script, spark_options
from benchmarks.lines import ROOT, add_place, how, rows
from benchmarks.pipeline import WEEKS
from ptofa_spark.evaluation.predictions.metrics import Metrics
from ptofa_spark.evaluation.table_1.run import TABLE_1_JSON, Run
from ptofa_spark.evaluation.table_1.text import table_1_page
from ptofa_spark.models.registry import MODELS
from ptofa_spark.running.whole_file import write_whole
from ptofa_spark.simulator.settings import SCENARIOS

# The figures of one training, of the oracle or of a constant, with its scenario, its size and its command.
Line = dict[str, Any]
# Two processes, each with every other model. They take about the same time: mmoe trains three times as long as ptofa,
# esmm twice as long.
PROCESSES = tuple(",".join(list(MODELS)[first::2]) for first in (0, 1))
REAL = ("hillstrom", "completejourney")
# A process trains on one thread, so a second core would be idle.
TRAIN = {"master": "local[1]", "driver_memory": "4g", "shuffle_partitions": 8}


def main() -> None:
    """Builds the missing tables, trains and measures the models, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    scenarios = (*SCENARIOS, *REAL)
    parser.add_argument("--scenario", default="promotion", choices=scenarios, help="hillstrom reads $HILLSTROM_CSV")
    parser.add_argument("--users", type=int, default=1_000_000, help="users of the platform")
    parser.add_argument("--platform", default="", help="more options of generate_platform, as one word")
    parser.add_argument("--train", default="", help="settings of training, as one word: 'dropout=.3 averaging=0'")
    parser.add_argument("--models", nargs="+", default=PROCESSES, help="one word per process: models with commas")
    parser.add_argument("--seeds", type=int, default=3, help="trainings per model")
    parser.add_argument("--seed", type=int, default=7, help="the first seed")
    parser.add_argument("--grid", action="store_true", help="the first seed's training chooses by the paper's grid")
    parser.add_argument("--lines", type=Path, default=ROOT / "docs" / "measured" / "table_1.jsonl")
    add_place(parser)
    args = parser.parse_args()
    if args.scenario in REAL:
        args.users = None
    named = _joined(args.scenario, args.platform, args.train)
    work = args.bench / "table_1" / _slug(f"{args.scenario}-{args.users or 'real'}{args.platform}")
    if not (work / "built").exists():
        _build(work, args)
    processes = [_start(work, place, models, args) for place, models in enumerate(args.models)]
    try:
        codes = [process.wait() for process in processes]
    except KeyboardInterrupt:  # the processes received it too: wait until they have ended
        codes = [process.wait() for process in processes]
    finally:
        made_by = {"scenario": named, "users": args.users, "grid": args.grid, **how()}
        runs = [run for place in range(len(processes)) for run in found(_report(work, place, args) / TABLE_1_JSON)]
        lines = merged(rows(args.lines) if args.lines.exists() else [], [{**made_by, **run} for run in runs])
        write_whole(args.lines, "".join(json.dumps(line) + "\n" for line in lines))
        write_whole(args.lines.with_suffix(".md"), page(lines))
    if any(codes):
        raise SystemExit(f"compare_models ended with {codes}: see {work}/report-*.log")


def _build(work: Path, args: argparse.Namespace) -> None:
    """Makes the warehouse of the scenario."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    place = [f"--warehouse={work}/warehouse", *spark_options(HEAP)]
    platform = [f"--scenario={args.scenario}", f"--users={args.users}", f"--weeks={WEEKS}", *args.platform.split()]
    jobs = [("generate_platform", platform), ("build_features", [])]
    if args.scenario in REAL:
        source = [f"--source={os.environ['HILLSTROM_CSV']}"] if args.scenario == "hillstrom" else []
        jobs = [("run_pipeline", [f"--dataset={args.scenario}", f"--report={work}/pipeline", *source])]
    for job, words in jobs:
        subprocess.run([sys.executable, job_script(job), *place, *words], check=True)
    (work / "built").touch()


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)


def _report(work: Path, place: int, args: argparse.Namespace) -> Path:
    """The folder of a process for its models and figures. The grid and other training settings have other folders."""
    return work / _slug(_joined(f"report-{place}", "grid" if args.grid else "", args.train))


def _start(work: Path, place: int, models: str, args: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Starts `compare_models` for these models. Its report and its log are next to the warehouse."""
    copy, report = work / f"warehouse-{place}", _report(work, place, args)
    conf = report.with_name(f"{report.name}.yaml")
    if not copy.exists():
        shutil.copytree(work / "warehouse", copy, copy_function=os.link)
    # The file may be of an earlier call with other models. Its figures are in `--lines`, and next to each model.
    (report / TABLE_1_JSON).unlink(missing_ok=True)
    asked = {
        "warehouse": str(copy), "report": str(report), "seed": args.seed, "models": models, "seeds": args.seeds,
    }  # fmt: skip
    training = {"grid": args.grid} | {
        name: yaml.safe_load(value) for name, _, value in (word.partition("=") for word in args.train.split())
    }
    sections = {"spark": TRAIN, "train": training, "compare_models": asked}
    conf.write_text(yaml.safe_dump(sections), encoding="utf-8")
    with report.with_name(f"{report.name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "jobs" / "compare_models.py"), f"--config={conf}"], stdout=log, stderr=log
        )


def found(file: Path) -> list[Line]:
    """The runs that a process has measured so far, without the fields that hold for this machine only."""
    runs = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [{name: value for name, value in run.items() if name not in ("warehouse", "measured_on")} for run in runs]


def merged(earlier: list[Line], later: list[Line]) -> list[Line]:
    """Earlier and later lines; of two lines of the same training, the later. Sorted by scenario, size and seed.

    Lines without a seed, of the oracle and the constants, come last in their scenario and size.
    """
    last = {tuple(line[key] for key in ("scenario", "users", "grid", "predictor", "seed")): line
            for line in (*earlier, *later)}  # fmt: skip
    return sorted(
        last.values(),
        key=lambda line: (line["scenario"], line["users"], line["grid"], line["seed"] is None, line["seed"] or 0),
    )


def page(lines: list[Line]) -> str:
    """Table 1 of each scenario and size, and the commands that measured it."""
    runs = []
    for line in lines:
        users = f", {line['users']:,} users" if line["users"] else ""
        section = f"{line['scenario']}{users}" + (", by the grid" if line["grid"] else "")
        fields = {name: line[name] for name in ("predictor", "seed", "learning_rate", "dropout", "rpme", "regret")}
        runs.append(Run(warehouse=section, metrics=Metrics(**line["metrics"]), **fields))
    with_versions = "; ".join(dict.fromkeys(line["versions"] for line in lines))
    commands = [f"- `{each}`" for each in dict.fromkeys(line["command"] for line in lines)]
    return "\n".join([table_1_page(runs), f"Measured with {with_versions}, by", "", *commands, ""])


if __name__ == "__main__":
    main()

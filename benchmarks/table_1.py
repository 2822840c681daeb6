"""Table 1 at a size where it says something: every model on a platform or real customers, into docs/table_1.md.

Each word of `--models` is a process of its own: `compare_models` for these models, on a copy of the warehouse by
hard links, since it writes tables there. What earlier calls measured, of other seeds or models, stays in
docs/table_1.jsonl and counts with it: the platform and its truth are drawn by the same seed everywhere. A call that was
interrupted keeps what it has measured, and the same command goes on from there.
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

from benchmarks.features import SPARK
from benchmarks.lines import ROOT, add_place, how, rows
from benchmarks.pipeline import WEEKS
from ptofa_spark.evaluation.predictions.metrics import Metrics
from ptofa_spark.evaluation.table_1.run import TABLE_1_JSON, Run
from ptofa_spark.evaluation.table_1.text import table_1_page
from ptofa_spark.running.whole_file import write_whole
from ptofa_spark.simulator.settings import SCENARIOS

# A run of a training, or of the oracle or a constant, with the scenario, the size and the command behind it.
Line = dict[str, Any]
# Of much the same cost in training: mmoe takes three times as long as ptofa, esmm twice.
MODELS = ("ptofa,mmoe,dnn_c,dnn_r", "ziln,esmm,shared_bottom,mtl_mse")
REAL = ("hillstrom", "completejourney")
# A process trains on one thread: a second core would wait for it.
TRAIN = {"master": "local[1]", "driver_memory": "4g", "shuffle_partitions": 8}


def main() -> None:
    """Builds what is not there, trains and measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    scenarios = (*SCENARIOS, *REAL)
    parser.add_argument("--scenario", default="promotion", choices=scenarios, help="hillstrom: of HILLSTROM_CSV=path")
    parser.add_argument("--users", type=int, default=1_000_000, help="of the platform")
    parser.add_argument("--platform", default="", help="more words for generate_platform, in one")
    parser.add_argument("--train", default="", help="settings of training, in one: 'dropout=.3 averaging=0'")
    parser.add_argument("--models", nargs="+", default=MODELS, help="a word a process")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7, help="the first")
    parser.add_argument("--grid", action="store_true", help="the first seed's training chooses by the paper's grid")
    parser.add_argument("--lines", type=Path, default=ROOT / "docs" / "table_1.jsonl")
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
    except KeyboardInterrupt:  # which they had too
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
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    place = [f"--warehouse={work}/warehouse", *SPARK]
    platform = [f"--scenario={args.scenario}", f"--users={args.users}", f"--weeks={WEEKS}", *args.platform.split()]
    jobs = [("generate_platform", platform), ("build_features", [])]
    if args.scenario in REAL:
        source = [f"--source={os.environ['HILLSTROM_CSV']}"] if args.scenario == "hillstrom" else []
        jobs = [("run_pipeline", [f"--dataset={args.scenario}", f"--report={work}/pipeline", *source])]
    for job, words in jobs:
        subprocess.run([sys.executable, str(ROOT / "jobs" / f"{job}.py"), *place, *words], check=True)
    (work / "built").touch()


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)


def _report(work: Path, place: int, args: argparse.Namespace) -> Path:
    """Where a process keeps its models and figures, those of the grid and of other settings of training elsewhere."""
    return work / _slug(_joined(f"report-{place}", "grid" if args.grid else "", args.train))


def _start(work: Path, place: int, models: str, args: argparse.Namespace) -> subprocess.Popen[bytes]:
    """`compare_models` of these models, its report and its log beside the warehouse."""
    copy, report = work / f"warehouse-{place}", _report(work, place, args)
    conf = report.with_name(f"{report.name}.yaml")
    if not copy.exists():
        shutil.copytree(work / "warehouse", copy, copy_function=os.link)
    # Of an earlier call, perhaps of other models: what it measured is in `--lines`, and beside each model.
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
    """The runs that a process has measured so far, without what is of this machine alone."""
    runs = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [{name: value for name, value in run.items() if name not in ("warehouse", "measured_on")} for run in runs]


def merged(earlier: list[Line], later: list[Line]) -> list[Line]:
    """Of two runs of one training the later; by scenario, size and seed, what has no seed last."""
    last = {tuple(line[key] for key in ("scenario", "users", "grid", "predictor", "seed")): line
            for line in (*earlier, *later)}  # fmt: skip
    return sorted(
        last.values(),
        key=lambda line: (line["scenario"], line["users"], line["grid"], line["seed"] is None, line["seed"] or 0),
    )


def page(lines: list[Line]) -> str:
    """Table 1 of each scenario and size, and the commands behind it."""
    runs = []
    for line in lines:
        of_users = f", {line['users']:,} users" if line["users"] else ""
        named = f"{line['scenario']}{of_users}" + (", by the grid" if line["grid"] else "")
        fields = {name: line[name] for name in ("predictor", "seed", "learning_rate", "dropout", "rpme", "regret")}
        runs.append(Run(warehouse=named, metrics=Metrics(**line["metrics"]), **fields))
    with_versions = "; ".join(dict.fromkeys(line["versions"] for line in lines))
    commands = [f"- `{each}`" for each in dict.fromkeys(line["command"] for line in lines)]
    return "\n".join([table_1_page(runs), f"Measured with {with_versions}, by", "", *commands, ""])


if __name__ == "__main__":
    main()

"""Small runs of a tree's own jobs, whose results two trees must share: `python small_runs.py TREE FOLDER`.

It runs in a process of its own, with the tree at the head of Python's path, and knows nothing of the tree but its jobs:
their names, their options and their exit codes. What a run leaves lies in the folder, by relative paths alone, and
each Delta table a second time as one sorted Arrow file under `tables/`, for `differences` to read.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from pyarrow import feather
from pyspark.sql import functions as F

USERS = 1_200
FUNDS = 6
METHODS = {
    "manual": {"method": "manual"},
    "manual-by-priority": {"method": "manual", "priority": "f3,f0,f5,f1,f2,f4"},
    "ha": {"method": "ha"},
    "ha-in-pieces": {"method": "ha", "max_sweep_rows": 100},
    "literal": {"method": "ha", "ha_variant": "literal"},
    "exact": {"method": "exact"},
    "exact-by-sample": {"method": "exact", "max_core_pairs": 1_000},
    "ip": {"method": "ip"},
    "mincostflow": {"method": "mincostflow"},
}
# Demands as a share of all slots; a share that does not add up to the slots is for the modes that allow it.
MODES = {"exact": 1.0, "at-most": 1.25, "partial": 0.8, "scale": 0.5}
PATHS = {"driver": {}, "spark": {"driver_users": 0}}
PIPELINE = {
    "generate_platform": {"weeks": 2},
    "train": {"epochs": 2, "checkpoint_steps": 0},
    "evaluate": {"bootstrap": 200, "metric_bootstrap": 50},
}


@dataclass(frozen=True)
class Run:
    """One run of a job. name: of its outcome; job: its script; options: by name with underscores."""

    name: str
    job: str
    options: dict[str, Any] = field(default_factory=dict)


def all_runs() -> Iterator[Run]:
    """The runs in their order; later ones read what earlier ones wrote."""
    yield Run(
        "pipeline",
        "run_pipeline",
        {"config": "pipeline.yaml", "users": 20_000, "warehouse": "pipeline", "report": "pipeline/report"},
    )
    for model in ("mmoe", "ziln"):
        options = {"config": "pipeline.yaml", "warehouse": "pipeline", "model": model, "model_dir": f"model_{model}"}
        yield Run(f"train-{model}", "train", options)
    for mode in MODES:
        for k in (1, 2, 3):
            for method, asked in METHODS.items():
                for path, by in PATHS.items():
                    # The integer program has its users on the driver in either case.
                    if method != "ip" or path == "driver":
                        yield _allocation(f"{method}-{mode}-{k}-{path}", mode, k, asked | by)
    yield _allocation("warm-start", "exact", 2, {"method": "exact", "prices": "exact-exact-2-driver"})
    yield _allocation("nobody", "exact", 1, {"scores": "scores_with_gaps"})
    for method in ("manual", "ha", "exact", "mincostflow"):
        asked = {"method": method, "scores": "scores_with_gaps"}
        yield _allocation(f"gaps-{method}", "partial", 2, asked)
    for method in ("ha", "exact"):
        many = {"method": method, "scores": "scores_of_many_funds", "funds": "many_funds", "demands": "many_demands"}
        yield _allocation(f"many-funds-{method}", "exact", 1, many)
    marked = {"method": "exact", "scores": "scores_with_marks"}
    yield _allocation("marked", "exact", 1, marked)
    yield _allocation("marked-not-eligible", "exact", 1, marked | {"marked_pairs": "not-eligible"})
    asked = _tables("exact", 2, {}) | {"demand_mode": "exact", "k": 2}
    yield Run("audit", "audit", asked | {"allocation": "allocations/ha-exact-2-driver"})
    changes = "f0+10%;f2-20%;drop f5;k=3"
    yield Run("what_if", "what_if", asked | {"report": "what_if", "changes": changes})


def _tables(mode: str, k: int, asked: dict[str, Any]) -> dict[str, Any]:
    scores = asked.get("scores", "scores")
    return {
        "expected_revenue": f"inputs/{scores}.parquet",
        "funds": f"inputs/{asked.get('funds', 'funds')}.parquet",
        "demands": f"inputs/{asked.get('demands', f'demands_{mode}_{k}')}.parquet",
    }


def _allocation(name: str, mode: str, k: int, asked: dict[str, Any]) -> Run:
    options = {key: value for key, value in asked.items() if key not in ("scores", "funds", "demands")}
    places = {"output": f"allocations/{name}", "report": name}
    return Run(name, "allocate", {"demand_mode": mode, "k": k} | places | options | _tables(mode, k, asked))


def write_inputs(root: Path) -> None:
    """Campaigns with ties, negative revenues and users who may see few funds; some with gaps, marks, many funds."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(11)
    levels = np.array([1, 1, 1, 1, 3, 5])
    scores = _pairs(rng, USERS, FUNDS)
    scores.to_parquet(root / "scores.parquet", index=False)
    pd.DataFrame({"fund_id": [f"f{fund}" for fund in range(FUNDS)], "risk_level": levels}).to_parquet(
        root / "funds.parquet", index=False
    )
    wished = np.array([3.0, 2.0, 4.0, 1.0, 2.5, 1.5])
    for mode, share in MODES.items():
        for k in (1, 2, 3):
            _demands(wished, round(share * USERS * k)).to_parquet(root / f"demands_{mode}_{k}.parquet", index=False)
    gaps = scores.copy()
    gaps.loc[rng.random(len(gaps)) < 0.3, "expected_revenue"] = np.nan
    gaps.loc[gaps.user_id % 97 == 0, "expected_revenue"] = np.nan
    gaps.to_parquet(root / "scores_with_gaps.parquet", index=False)
    marks = scores.copy()
    marks.loc[rng.random(len(marks)) < 0.02, "expected_revenue"] = -1e15
    marks.to_parquet(root / "scores_with_marks.parquet", index=False)
    _pairs(rng, 400, 120).to_parquet(root / "scores_of_many_funds.parquet", index=False)
    many = pd.DataFrame({"fund_id": [f"f{fund}" for fund in range(120)], "risk_level": 1 + np.arange(120) % 3 // 2})
    many.to_parquet(root / "many_funds.parquet", index=False)
    _demands(np.ones(120), 400).to_parquet(root / "many_demands.parquet", index=False)


def _pairs(rng: np.random.Generator, users: int, funds: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(users), funds),
            "risk_tolerance": np.repeat(rng.choice([1, 3, 5], users, p=[0.2, 0.3, 0.5]), funds),
            "fund_id": np.tile([f"f{fund}" for fund in range(funds)], users),
            "expected_revenue": rng.normal(1.0, 2.0, users * funds).round(1),
        }
    )


def _demands(wished: np.ndarray[Any, np.dtype[np.float64]], total: int) -> pd.DataFrame:
    demand = np.floor(wished / wished.sum() * total).astype(np.int64)
    demand[: total - demand.sum()] += 1
    funds = [f"f{fund}" for fund in range(len(wished))]
    return pd.DataFrame({"campaign_id": "spring", "fund_id": funds, "demand": demand})


def run_all(tree: Path, only: str) -> dict[str, int]:
    """Runs every run whose name has `only` in it, in the working directory; the exit code by name."""
    write_inputs(Path("inputs"))
    Path("pipeline.yaml").write_text(yaml.safe_dump(PIPELINE))
    Path("none.yaml").write_text("{}\n")
    codes = {}
    for run in all_runs():
        if only in run.name:
            codes[run.name] = _ran(tree, run)
            print(f"{tree.name} {run.name} exit={codes[run.name]}", file=sys.stderr, flush=True)
    return codes


def _ran(tree: Path, run: Run) -> int:
    options = {"config": "none.yaml"} | run.options
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    job = _module(tree / "jobs" / f"{run.job}.py")
    return int(job.run_as_job(lambda _: job.main(words)))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"jobs_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def export_tables(spark: Any) -> None:
    """Each Delta table below the working directory as one Arrow file, its rows sorted by the columns that tell them."""
    for log in sorted(Path().rglob("_delta_log")):
        frame = _without_maps(spark.read.format("delta").load(str(log.parent.absolute())))
        rows = frame.toArrow()
        target = Path("tables") / log.parent.with_suffix(".arrow")
        target.parent.mkdir(parents=True, exist_ok=True)
        feather.write_feather(_sorted(rows), str(target))


def _without_maps(frame: Any) -> Any:
    """The rows with each map as its entries, sorted by key: a map has no order."""
    maps = [name for name, kind in frame.dtypes if kind.startswith("map<")]
    return frame.withColumns({name: F.array_sort(F.map_entries(F.col(f"`{name}`"))) for name in maps})


def _sorted(rows: pa.Table) -> pa.Table:
    keys = [each.name for each in rows.schema if not pa.types.is_nested(each.type)]
    # What identifies a row first: a figure that differs must not move it.
    keys.sort(key=lambda name: pa.types.is_floating(rows.schema.field(name).type))
    return rows.sort_by([(name, "ascending") for name in keys]) if keys and rows.num_rows else rows


def _session_module() -> Any:
    """The module that starts a session: a tree of before the rooms has it elsewhere."""
    for name in ("running.session", "session"):
        with suppress(ModuleNotFoundError):
            return importlib.import_module(f"ptofa_spark.{name}")
    raise ModuleNotFoundError("the tree has no module that starts a Spark session")


def main(tree: Path, folder: Path, only: str = "") -> None:
    """Runs the tree's jobs in the folder, in one Spark session."""
    os.chdir(folder)
    session = _session_module()
    settings = session.SparkSettings(master="local[1]", driver_memory="3g", shuffle_partitions=3)
    spark = session.start_session(settings)
    try:
        codes = run_all(tree, only)
        export_tables(spark)
    finally:
        spark.stop()
    Path("exit_codes.json").write_text(json.dumps(codes, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

"""Splits a model's regret: allocations by its p, mu or sigma, each combined with the other parts of the truth.

p is the probability of a conversion. mu and sigma are the parameters of its log-normal revenue, and R is the mean of
that revenue. `E` is the model's expected revenue. `p, true R` is the model's p with the true revenue per conversion;
`true p, R` is the reverse. The other columns are correlations with the truth. The users are the first ones of a
`promotion` platform, with one fund per user. The demands are those that the logging policy gives these users in the
target campaign. A regret is 1 - revenue / revenue of the optimal allocation, both under the truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.ceiling import allocated
from benchmarks.pipeline import WEEKS
from ptofa_spark.arrays import Bools, Floats
from ptofa_spark.features.pair import CampaignPairs
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.scoring.scorer import predict_rows
from ptofa_spark.simulator.exposures import show
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from ptofa_spark.simulator.world import make_world
from ptofa_spark.training.artifact import LoadedModel, read_artifact, unpack

# expected_revenue, p_c, mu and sigma, as far as a model has them; each (users, funds).
Parts = dict[str, Floats]
COLUMNS = ("model", "E", "p exp(mu)", "p, true R", "true p, R", "corr. logit p", "mu", "sigma")


def main() -> None:
    """Prints a table with one row for the truth, and one per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--warehouse", required=True, help=f"made by generate_platform --weeks {WEEKS} with its other defaults"
    )
    parser.add_argument("--users", type=int, default=50_000, help="the first users")
    parser.add_argument("models", nargs="*", help="folders of models that predict money")
    args = parser.parse_args()
    with spark_session(SparkSettings(app_name="ptofa-regret-parts", master="local[1]")) as spark:
        users, funds, truth = _read(spark, args.warehouse, args.users)
    eligible = users["risk_tolerance"].to_numpy()[:, None] >= np.array([row["risk_level"] for row in funds])
    regret = _regret_of(users, eligible, truth)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    print(_row("the truth", truth, truth, regret, eligible))
    for folder in args.models:
        parts = _parts(unpack(read_artifact(folder)), funds, users)
        print(_row(Path(folder).name, parts, truth, regret, eligible), flush=True)


def _read(spark: SparkSession, warehouse: str, count: int) -> tuple[pd.DataFrame, list[Any], Parts]:
    """Features of the first `count` users, feature rows of the funds, and the truth; all of the target campaign."""

    def table(name: str) -> Any:
        return spark.read.format("delta").load(f"{warehouse}/{name}")

    of_users = table("user_features").where(F.col("user_id") < count).orderBy("user_id")
    target = F.col("campaign_id") == of_users.select("campaign_id").first()["campaign_id"]
    funds = table("fund_features").where(target).orderBy("fund_id").collect()
    features = [F.col(name) for name in of_users.columns if name.startswith("u_")]
    users = of_users.select("user_id", "risk_tolerance", *features, *CampaignPairs.of(funds).columns()).toPandas()
    pairs = table("truth").where(F.col("user_id") < count).orderBy("user_id", "fund_id").toPandas()
    truth = {name: pairs[name].to_numpy().reshape(len(users), -1) for name in ("p_c", "mu", "sigma")}
    return users, funds, truth | {"expected_revenue": truth["p_c"] * np.exp(truth["mu"] + truth["sigma"] ** 2 / 2)}


def _parts(model: LoadedModel, funds: list[Any], users: pd.DataFrame) -> Parts:
    """The model's predictions for every user-fund pair."""
    encoding, count = model.encoding, len(funds)
    of_funds = pd.DataFrame([row.asDict() for row in funds])[list(encoding.fund.columns)]
    of_pairs = CampaignPairs.of(funds, encoding.pair.columns).features(users)
    row = np.arange(len(users) * count)
    of_users = users[list(encoding.user.columns)].iloc[row // count].reset_index(drop=True)
    of_funds = of_funds.iloc[row % count].reset_index(drop=True)
    predictions = predict_rows(model, pd.concat([of_users, of_funds, pd.DataFrame(of_pairs)], axis="columns"))
    return {name: part.numpy().reshape(-1, count) for name, part in vars(predictions).items() if part is not None}


def _regret_of(users: pd.DataFrame, eligible: Bools, truth: Parts) -> Callable[[Floats], float]:
    """A function that gives the regret of the allocation by a matrix (users, funds)."""
    world = make_world(GeneratePlatformSettings(weeks=WEEKS))
    tolerance = users["risk_tolerance"].to_numpy().astype(np.int64)
    shown = show(world.funds, users["user_id"].to_numpy(), tolerance, WEEKS).fund
    demand, worth = np.bincount(shown, minlength=eligible.shape[1]), truth["expected_revenue"]
    best = allocated(worth, worth, eligible, demand)
    return lambda by: 1.0 - allocated(worth, by, eligible, demand) / best


def _row(name: str, parts: Parts, truth: Parts, regret: Callable[[Floats], float], eligible: Bools) -> str:
    def logit(of: Parts) -> Floats:
        value: Floats = np.log(of["p_c"] / (1.0 - of["p_c"]))
        return value

    def correlated(predicted: Floats, true: Floats) -> str:
        return f"{np.corrcoef(predicted[eligible], true[eligible])[0, 1]:.3f}"

    per_conversion = truth["expected_revenue"] / truth["p_c"]
    figures = [
        f"{regret(parts['expected_revenue']):.4f}",
        f"{regret(parts['p_c'] * np.exp(parts['mu'])):.4f}" if "mu" in parts else "",
        f"{regret(parts['p_c'] * per_conversion):.4f}" if "p_c" in parts else "",
        f"{regret(truth['p_c'] * parts['expected_revenue'] / parts['p_c']):.4f}" if "p_c" in parts else "",
        correlated(logit(parts), logit(truth)) if "p_c" in parts else "",
        *(correlated(parts[part], truth[part]) if part in parts else "" for part in ("mu", "sigma")),
    ]
    return f"| {name} | {' | '.join(figures)} |"


if __name__ == "__main__":
    main()

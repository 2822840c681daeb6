"""Fund prices between runs: `prices.json`, written by `exact` and read back by `--prices`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ptofa_spark.allocation.exact.nudge import Nudge
from ptofa_spark.allocation.exact.price_loop import PriceStart
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.errors import UserError

PRICES_JSON = "prices.json"


class Prices(BaseModel):
    """The file: a campaign's prices and their room, money, and the nudge that broke ties under them.

    prices: one per fund, and one per further fund of the balanced network. room[f][g]: how far the price of f may rise
    above that of g before users exchange them who were not looked at; null for no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    campaign_id: str
    k: int
    fund_ids: list[str]
    prices: list[float]
    room: list[list[float | None]]
    nudge_size: float
    nudge_seed: int


def prices_json(problem: AllocationProblem, start: PriceStart) -> str:
    """What `prices.json` holds; floats keep every bit."""
    content = Prices(
        campaign_id=problem.campaign_id,
        k=problem.k,
        fund_ids=list(problem.funds.ids),
        prices=start.prices.tolist(),
        room=[[float(width) if np.isfinite(width) else None for width in row] for row in start.room],
        nudge_size=start.nudge.size,
        nudge_seed=start.nudge.seed,
    )
    return content.model_dump_json(indent=1) + "\n"


def read_prices(argument: str, problem: AllocationProblem, network_funds: int) -> PriceStart:
    """Prices of an earlier run for this problem's funds; its campaign may be another one.

    Args:
        argument: the file, or the report directory that holds it.
        problem: the problem.
        network_funds: funds of the balanced network.

    Raises:
        UserError: there is no such file, it is no price file, or its funds are others.
    """
    path = Path(argument) / PRICES_JSON if Path(argument).is_dir() else Path(argument)
    try:
        earlier = Prices.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"prices {path} cannot be read ({error.strerror}): name the report of an exact run") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"prices {path}: {where}: {first['msg']}: name the prices.json of an exact run") from error
    shape = (len(earlier.prices), len(earlier.room), *{len(row) for row in earlier.room})
    if tuple(earlier.fund_ids) != problem.funds.ids or shape != (network_funds,) * 3:
        raise UserError(
            f"prices {path} are of other funds or another demand mode ({', '.join(earlier.fund_ids)}): "
            "leave --prices out, or name a run like this one"
        )
    room = [[np.inf if width is None else width for width in row] for row in earlier.room]
    return PriceStart(np.array(earlier.prices), np.array(room), Nudge(earlier.nudge_size, earlier.nudge_seed))

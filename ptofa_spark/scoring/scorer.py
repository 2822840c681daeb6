"""A trained model on arrays: what runs inside a Spark worker; knows no Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ptofa_spark.arrays import Floats
from ptofa_spark.features.pair import CampaignPairs
from ptofa_spark.feed.blocks import Block, Features
from ptofa_spark.models.parts.prediction import Prediction
from ptofa_spark.training.artifact import Artifact, LoadedModel, unpack

# Pairs of one pass through the network: their activations stay in the processor's cache.
_PAIRS_A_PASS = 8_192


@lru_cache(maxsize=2)
def loaded(artifact: Artifact) -> LoadedModel:
    """The model of these bytes, built once a worker process, and the process held to one thread.

    Several threads a worker, beside as many workers as cores, would make a pass a hundred times slower.
    """
    torch.set_num_threads(1)
    return unpack(artifact)


@dataclass(frozen=True)
class CampaignFunds:
    """The funds to score. pairs: of them with a user, by fund_id; columns: their raw `f_` columns in that order."""

    pairs: CampaignPairs
    columns: pd.DataFrame


def score_users(model: LoadedModel, funds: CampaignFunds, users: pd.DataFrame) -> Floats:
    """E of every pair, money per exposure, (users, funds); the user's part of the first layer is computed once a user.

    Args:
        model: the trained model.
        funds: the campaign's.
        users: raw `u_` columns and those of `CampaignPairs.columns`, a row per user.
    """
    encoding, count = model.encoding, len(funds.columns)
    fund = _with_axis(encoding.fund.block(funds.columns), 0)
    user = _with_axis(encoding.user.block(users), 1)
    pairs = funds.pairs.features(users)
    pair = _reshaped(encoding.pair.block(pd.DataFrame(pairs, index=pd.RangeIndex(len(users) * count))), count)
    scores = np.empty((len(users), count))
    for rows, whole in score_table(len(users), max(1, _PAIRS_A_PASS // count)):
        prediction = _predict(model, Features(_taken(user, rows), fund, _taken(pair, rows)))
        scores[rows[:whole].numpy()] = prediction.expected_revenue[:whole].numpy()
    return scores


def predict_rows(model: LoadedModel, examples: pd.DataFrame) -> Prediction:
    """The prediction for each row, (examples,). examples: raw `u_`, `f_` and `p_` columns."""
    encoding = model.encoding
    user, fund, pair = (block.block(examples) for block in (encoding.user, encoding.fund, encoding.pair))
    parts: dict[str, list[Tensor]] = {}
    for rows, whole in score_table(len(examples), _PAIRS_A_PASS):
        prediction = _predict(model, Features(_taken(user, rows), _taken(fund, rows), _taken(pair, rows)))
        for name, values in vars(prediction).items():
            if values is not None:
                parts.setdefault(name, []).append(values[:whole])
    return Prediction(**{name: torch.cat(values) for name, values in parts.items()})


def score_table(rows: int, size: int) -> Iterator[tuple[Tensor, int]]:
    """Row numbers in pieces of exactly `size`, the last filled up with its first row, and how many of each count.

    A matrix product of another shape may round its last bit otherwise. With one shape for every pass a row's score
    does not depend on the partition or the Arrow batch it came in.
    """
    for start in range(0, rows, size):
        numbers = torch.arange(start, start + size)
        whole = min(size, rows - start)
        numbers[whole:] = start
        yield numbers, whole


def _predict(model: LoadedModel, features: Features) -> Prediction:
    with torch.inference_mode():
        return model.model.predict(model.model(features))


def _taken(block: Block, rows: Tensor) -> Block:
    return Block(block.codes[rows], block.numbers[rows])


def _with_axis(block: Block, axis: int) -> Block:
    return Block(block.codes.unsqueeze(axis), block.numbers.unsqueeze(axis))


def _reshaped(block: Block, funds: int) -> Block:
    """A block of (users * funds, columns) as (users, funds, columns)."""
    return Block(block.codes.unflatten(0, (-1, funds)), block.numbers.unflatten(0, (-1, funds)))

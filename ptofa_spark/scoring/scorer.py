"""Applies a trained model to pandas frames inside a Spark worker, without Spark itself."""

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

# Pairs per pass through the network: few enough that the activations stay in the processor's cache.
_PAIRS_PER_PASS = 8_192


@lru_cache(maxsize=2)
def loaded(artifact: Artifact) -> LoadedModel:
    """Builds the model from its bytes, once per worker process, and limits PyTorch to one thread.

    There are as many workers as cores, so several threads per worker make a pass a hundred times slower.
    """
    torch.set_num_threads(1)
    return unpack(artifact)


@dataclass(frozen=True)
class CampaignFunds:
    """The funds to score, sorted by fund_id. pairs: computes the pair features; columns: raw `f_` columns, (funds,)."""

    pairs: CampaignPairs
    columns: pd.DataFrame


def score_users(model: LoadedModel, funds: CampaignFunds, users: pd.DataFrame) -> Floats:
    """Expected revenue of every pair, money per exposure, (users, funds).

    The user's part of the first layer is computed once per user.

    Args:
        model: the trained model.
        funds: the campaign's funds.
        users: one row per user: raw `u_` columns and those of `CampaignPairs.columns`.
    """
    encoding, count = model.encoding, len(funds.columns)
    fund = _with_axis(encoding.fund.block(funds.columns), 0)
    user = _with_axis(encoding.user.block(users), 1)
    pairs = funds.pairs.features(users)
    pair = _reshaped(encoding.pair.block(pd.DataFrame(pairs, index=pd.RangeIndex(len(users) * count))), count)
    scores = np.empty((len(users), count))
    for rows, real in padded_pieces(len(users), max(1, _PAIRS_PER_PASS // count)):
        prediction = _predict(model, Features(_taken(user, rows), fund, _taken(pair, rows)))
        scores[rows[:real].numpy()] = prediction.expected_revenue[:real].numpy()
    return scores


def predict_rows(model: LoadedModel, examples: pd.DataFrame) -> Prediction:
    """The predictions, each (examples,). examples: raw `u_`, `f_` and `p_` columns."""
    encoding = model.encoding
    user, fund, pair = (block.block(examples) for block in (encoding.user, encoding.fund, encoding.pair))
    parts: dict[str, list[Tensor]] = {}
    for rows, real in padded_pieces(len(examples), _PAIRS_PER_PASS):
        prediction = _predict(model, Features(_taken(user, rows), _taken(fund, rows), _taken(pair, rows)))
        for name, values in vars(prediction).items():
            if values is not None:
                parts.setdefault(name, []).append(values[:real])
    return Prediction(**{name: torch.cat(values) for name, values in parts.items()})


def padded_pieces(rows: int, size: int) -> Iterator[tuple[Tensor, int]]:
    """Yields row numbers in pieces of exactly `size`, and how many of them are real. The last piece is padded.

    A matrix product of another shape may round differently. With the same shape in every pass, a row's score does not
    depend on its partition or Arrow batch.
    """
    for start in range(0, rows, size):
        numbers = torch.arange(start, start + size)
        real = min(size, rows - start)
        numbers[real:] = start
        yield numbers, real


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

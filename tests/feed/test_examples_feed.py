"""Batches of the examples hold the split's rows, encoded as the encoders say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession

from ptofa_spark.feed.batches import Rows
from ptofa_spark.feed.blocks import Batch
from ptofa_spark.feed.encoding import fit_encoding
from ptofa_spark.feed.examples import ExamplesFeed, encoded_rows
from ptofa_spark.feed.row_groups import READERS
from ptofa_spark.feed.snapshot import Snapshot, pin_snapshot, split_files
from tests.feed.feature_tables import write_feature_tables


@pytest.fixture(scope="module")
def snapshot(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    warehouse = str(tmp_path_factory.mktemp("warehouse"))
    write_feature_tables(spark, warehouse, users=1_500)
    return pin_snapshot(spark, f"{warehouse}/examples")


@pytest.fixture(scope="module")
def feed(snapshot: Snapshot) -> ExamplesFeed:
    counts = {row["split"]: row["count"] for row in snapshot.frame.groupBy("split").count().collect()}
    return ExamplesFeed(
        train_files=split_files(snapshot, "train"),
        validation_files=split_files(snapshot, "validation"),
        encoding=fit_encoding(snapshot.frame),
        train_rows=counts["train"],
        validation_rows=counts["validation"],
        batch_size=128,
        buffer_rows=300,
        seed=3,
    )


def revenues(batches: list[Batch]) -> list[float]:
    return [float(revenue) for batch in batches for revenue in batch.labels.revenue]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_each_split_gives_its_own_rows_encoded(snapshot: Snapshot, feed: ExamplesFeed, split: str) -> None:
    encoding = feed.encoding
    read = Rows.joined(list(encoded_rows(split_files(snapshot, split), encoding, None)))
    wanted = snapshot.frame.where(f"split = '{split}'").toPandas()
    codes, numbers = encoding.encode(wanted)
    labels = wanted[["conversion", "click", "revenue"]].to_numpy(np.float32)

    def in_order(codes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        rows = np.concatenate([codes, numbers], axis=1)
        return rows[np.lexsort(rows.T)]

    assert len(wanted) > 200
    assert np.array_equal(
        in_order(read.codes.numpy(), read.numbers.numpy()), in_order(codes, np.concatenate([labels, numbers], axis=1))
    )


def test_a_missing_word_is_not_the_word_none(snapshot: Snapshot, feed: ExamplesFeed) -> None:
    """Petastorm alone would turn a null string into the string None, which is also a city here."""
    encoding = feed.encoding
    rows = Rows.joined(list(encoded_rows(split_files(snapshot, "train"), encoding, None)))
    place = encoding.user.encoders.columns.index("u_city")
    word = encoding.encoders.vocabularies["u_city"].index("None") + 2
    counted = snapshot.frame.where("split = 'train'").groupBy("u_city").count().collect()
    counts = {row["u_city"]: row["count"] for row in counted}
    assert int((rows.codes[:, place] == 1).sum()) == counts[None]
    assert int((rows.codes[:, place] == word).sum()) == counts["None"]


def test_an_epoch_holds_every_row_once(snapshot: Snapshot, feed: ExamplesFeed) -> None:
    batches = list(feed.train(0))
    sizes = [len(batch) for batch in batches]
    assert sizes[:-1] == [128] * (len(sizes) - 1)
    assert 0 < sizes[-1] < 128
    wanted = [float(np.float32(row["revenue"])) for row in snapshot.frame.where("split = 'train'").collect()]
    assert sorted(revenues(batches)) == sorted(wanted)


def test_seed_and_epoch_decide_the_order(feed: ExamplesFeed) -> None:
    first = [batch.features.user.numbers for batch in feed.train(0)]
    again = [batch.features.user.numbers for batch in feed.train(0)]
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    for other in (feed.train(1), replace(feed, seed=4).train(0)):
        assert not torch.equal(first[0], next(other).features.user.numbers)


def test_a_feed_that_loses_rows_fails(feed: ExamplesFeed) -> None:
    with pytest.raises(RuntimeError, match="rows of split train, Spark counted"):
        list(replace(feed, train_rows=feed.train_rows + 1).train(0))
    with pytest.raises(RuntimeError, match="rows of split validation, Spark counted"):
        list(replace(feed, validation_rows=0).validation())


def test_each_reader_gives_the_same_batches(feed: ExamplesFeed) -> None:
    for epoch in (0, 1):
        batches = [list(replace(feed, reader=name).train(epoch)) for name in READERS]
        for one, other in zip(*batches, strict=True):
            assert torch.equal(one.labels.revenue, other.labels.revenue)
            for block in ("user", "fund", "pair"):
                read, also = getattr(one.features, block), getattr(other.features, block)
                assert torch.equal(read.codes, also.codes)
                assert torch.equal(read.numbers, also.numbers)
    validated = [revenues(list(replace(feed, reader=name).validation())) for name in READERS]
    assert validated[0] == validated[1] != []

"""Rows of one user and one fund with the facts of their past, from the maps of user_features."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.features.facts.pairs import PastFact, Times
from ptofa_spark.features.pair import PAST_FACTS


def with_past_facts(pairs: DataFrame) -> DataFrame:
    """Adds what `pair_columns` reads, from fund_id, f_fund_type and those maps of user_features that the rows have."""
    known = {name: fact for name, fact in PAST_FACTS.items() if fact.tally.column in pairs.columns}
    return pairs.withColumns({name: _fact(fact) for name, fact in known.items()})


def _fact(fact: PastFact) -> Column:
    if isinstance(fact, Times):
        key = "fund_id" if fact.tally.by == "fund" else "f_fund_type"
        return F.coalesce(F.try_element_at(fact.tally.column, F.col(key)), F.lit(0.0))
    return F.aggregate(F.map_values(fact.tally.column), F.lit(0.0), lambda total, times: total + times)

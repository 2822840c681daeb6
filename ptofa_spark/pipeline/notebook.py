"""What a notebook finds around it: Databricks' own objects on a cluster, local ones elsewhere."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.running.session import SparkSettings, start_session

_ROWS = 20


class Notebook:
    """The session, the widgets and the display of a notebook.

    Args:
        names: the notebook's `globals()`. On Databricks they hold spark, dbutils and display; what is not there is
            replaced by a local session, the widgets' defaults and a print.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        # Now, not when they are asked for: a notebook may give its own names to what it finds here.
        self._dbutils, self._display = names.get("dbutils"), names.get("display")
        self.spark: SparkSession = names.get("spark") or start_session(
            SparkSettings(master="local[2]", driver_memory="4g", shuffle_partitions=8)
        )

    def widget(self, name: str, default: str) -> str:
        """The value of a text widget, which is made if it is not there; the default outside of Databricks."""
        if self._dbutils is None:
            return default
        self._dbutils.widgets.text(name, default)
        return str(self._dbutils.widgets.get(name))

    def display(self, thing: Any) -> None:
        """Shows a frame, a figure or anything else."""
        if self._display is not None:
            self._display(thing)
        elif isinstance(thing, DataFrame):
            thing.show(_ROWS, truncate=False)
        else:
            print(thing)  # noqa: T201  # on a terminal this is the display

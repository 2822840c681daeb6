"""Tables 1 and 2 and figure 4 of the paper in the report, where other jobs or a notebook left them."""

from __future__ import annotations

import base64
from pathlib import Path

from ptofa_spark.evaluation.report.report import Figure
from ptofa_spark.evaluation.shown_table import Table
from ptofa_spark.evaluation.table_1.run import read_runs
from ptofa_spark.evaluation.table_1.text import table_1_tables
from ptofa_spark.evaluation.table_2.arm_result import read_arms
from ptofa_spark.evaluation.table_2.text import table_2_tables

# Written by the notebook on campaigns.
FIGURE_4 = "figure4.png"


def paper_tables(report: str) -> list[Table]:
    """Tables 1 and 2 of the runs and arms that are in the report's directory; of what is not there no table.

    Raises:
        UserError: a file that is there cannot be read.
    """
    runs, arms = read_runs(report), read_arms(report)
    return [*table_1_tables(runs), *(table_2_tables(arms) if arms else ())]


def paper_figure(directory: str) -> list[Figure]:
    """Figure 4, if it is there."""
    path = Path(directory) / FIGURE_4
    if not path.is_file():
        return []
    image = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return [Figure("Figure 4 of the paper: seconds and objective of the methods, by number of users.", image, True)]

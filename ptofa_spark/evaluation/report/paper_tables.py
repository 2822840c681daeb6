"""Tables 1 and 2 and figure 4 of the paper, for the report. Other jobs and a notebook write them beforehand."""

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
    """Tables 1 and 2, from the runs and arms in the report's directory. A table without a file is left out.

    Raises:
        UserError: an existing file cannot be read.
    """
    runs, arms = read_runs(report), read_arms(report)
    return [*table_1_tables(runs), *(table_2_tables(arms) if arms else ())]


def paper_figure(directory: str) -> list[Figure]:
    """Figure 4, if its file exists."""
    path = Path(directory) / FIGURE_4
    if not path.is_file():
        return []
    image = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return [Figure("Figure 4 of the paper: seconds and objective of the methods, by number of users.", image, True)]

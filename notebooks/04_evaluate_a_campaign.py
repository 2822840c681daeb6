# Databricks notebook source
# MAGIC %md
# MAGIC # 4. Evaluate a campaign
# MAGIC The paper's online test, simulated: users split into arms, each with its predictor and its optimiser, outcomes
# MAGIC drawn from the truth. At the end stand the paper's two tables and its figure 4, reproduced on this warehouse.

# COMMAND ----------

from pathlib import Path

from matplotlib.figure import Figure

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.evaluation.report.paper_tables import FIGURE_4
from ptofa_spark.evaluation.table_1.run import read_runs
from ptofa_spark.evaluation.table_1.text import table_1_page
from ptofa_spark.evaluation.table_2.settings import SimulateCampaignSettings
from ptofa_spark.evaluation.table_2.simulate_campaign import simulate_campaign
from ptofa_spark.evaluation.table_2.text import table_2_page
from ptofa_spark.pipeline.notebook import Notebook
from ptofa_spark.tables.contracts.schemas import COMPACT_SCORES
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.reading import read_table
from ptofa_spark.training.settings import TrainSettings

# COMMAND ----------

notebook = Notebook(globals())
spark = notebook.spark
warehouse = notebook.widget("warehouse", "warehouse/synthetic")
report = notebook.widget("report", "reports/synthetic")
arms = notebook.widget("arms", "esmm+manual,esmm+ha,ptofa+ha,ptofa+exact,oracle+exact")
epochs = int(notebook.widget("epochs", str(TrainSettings().epochs)))
sizes = [int(size) for size in notebook.widget("sizes", "1000,2000,5000").split(",")]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Table 2

# COMMAND ----------

settings = SimulateCampaignSettings(warehouse=warehouse, report=report, arms=arms)
print(table_2_page(simulate_campaign(spark, settings, {"epochs": epochs})))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Table 1, if notebook 2 or `compare_models` has left its runs in the same report

# COMMAND ----------

runs = read_runs(report)
print(table_1_page(runs) if runs else f"{report} holds no runs of compare_models: run notebook 2 first")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Figure 4: seconds and objective of the heuristic, the optimum and the integer program, by number of users

# COMMAND ----------

scores = read_table(spark, in_warehouse(warehouse, "scores"), COMPACT_SCORES)
campaign = scores.agg({"campaign_id": "max"}).first()[0]
methods = ("ha", "exact", "ip")
found = {}
for size in sizes:
    few = in_warehouse(warehouse, "figure4_scores")
    write_table(scores.where(f"campaign_id = '{campaign}'").orderBy("user_id").limit(size), few, kind="scores")
    for method in methods:
        found[size, method] = allocate(
            spark,
            AllocateSettings(
                scores=few,
                funds=in_warehouse(warehouse, "funds"),
                demands=in_warehouse(warehouse, "demands"),
                campaign_id=campaign,
                demand_mode="scale",
                method=method,
                output=in_warehouse(warehouse, "figure4_allocation"),
                report=f"{report}/figure4",
            ),
        )

# COMMAND ----------

figure = Figure(figsize=(9, 3.4), layout="constrained")
seconds, objective = figure.subplots(1, 2)
for method in methods:
    seconds.plot(sizes, [found[size, method].seconds["solve"] for size in sizes], "o-", label=method)
    best = [found[size, "exact"].objective for size in sizes]
    share = [found[size, method].objective / most for size, most in zip(sizes, best, strict=True)]
    objective.plot(sizes, share, "o-", label=method)
seconds.set(xlabel="users", ylabel="seconds of the solve step", xscale="log", yscale="log")
objective.set(xlabel="users", ylabel="objective / optimum", xscale="log")
seconds.legend()
figure.savefig(Path(report) / FIGURE_4, dpi=120)
notebook.display(figure)

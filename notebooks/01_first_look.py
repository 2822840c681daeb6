# Databricks notebook source
# MAGIC %md
# MAGIC # A first look at a finished run
# MAGIC Reads what `run_pipeline` wrote: the tables of a warehouse and the reports beside it.

# COMMAND ----------

from ptofa_spark.allocation.summary import AllocationSummary
from ptofa_spark.tables.names import in_warehouse

# COMMAND ----------

# Widgets on Databricks; elsewhere the demo's places.
try:
    dbutils.widgets.text("warehouse", "warehouse/synthetic")
    dbutils.widgets.text("report", "reports/synthetic")
    warehouse, report = dbutils.widgets.get("warehouse"), dbutils.widgets.get("report")
except NameError:
    warehouse, report = "warehouse/synthetic", "reports/synthetic"

# COMMAND ----------


def table(name):
    """A table of the warehouse, by path or by catalog name."""
    place = in_warehouse(warehouse, name)
    return spark.read.format("delta").load(place) if "/" in place else spark.read.table(place)


# COMMAND ----------

# MAGIC %md
# MAGIC ## What each fund was promised, and what it got

# COMMAND ----------

summary = AllocationSummary.read(f"{report}/ha")
print(summary.line())
delivered = spark.createDataFrame(
    [(fund.fund_id, fund.risk_level, fund.demand, fund.delivered, fund.expected_revenue) for fund in summary.funds],
    "fund_id string, risk_level int, demand bigint, delivered bigint, expected_revenue double",
)
display(delivered.orderBy("risk_level", "fund_id"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Who sees what: exposures by declared tolerance and fund

# COMMAND ----------

seen = table("allocation_ha").join(table("scores").select("user_id", "risk_tolerance"), on="user_id", how="inner")
display(seen.groupBy("risk_tolerance").pivot("fund_id").count().orderBy("risk_tolerance"))

# Databricks notebook source
# MAGIC %md
# MAGIC # 3. Allocate, and read the prices
# MAGIC The certified optimum of one campaign, what each fund's exposures are worth at the margin, and what would change if
# MAGIC a demand did.

# COMMAND ----------

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.allocation.what_if.settings import WhatIfSettings
from ptofa_spark.allocation.what_if.text import outlook_table
from ptofa_spark.allocation.what_if.what_if import what_if
from ptofa_spark.pipeline.notebook import Notebook
from ptofa_spark.tables.contracts.schemas import ALLOCATION, COMPACT_SCORES
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.reading import read_table

# COMMAND ----------

notebook = Notebook(globals())
spark, display = notebook.spark, notebook.display
warehouse = notebook.widget("warehouse", "warehouse/synthetic")
report = notebook.widget("report", "reports/synthetic")
k = int(notebook.widget("k", "1"))
scores = read_table(spark, in_warehouse(warehouse, "scores"), COMPACT_SCORES)
campaign = scores.agg({"campaign_id": "max"}).first()[0]
inputs = {
    "scores": in_warehouse(warehouse, "scores"),
    "funds": in_warehouse(warehouse, "funds"),
    "demands": in_warehouse(warehouse, "demands"),
    "campaign_id": campaign,
    "k": k,
}

# COMMAND ----------

output = in_warehouse(warehouse, "allocation_notebook")
summary = allocate(
    spark, AllocateSettings(**inputs, method="exact", output=output, report=f"{report}/allocation_notebook")
)
print(summary.line())

# COMMAND ----------

# MAGIC %md
# MAGIC ## What each fund was promised, what it got, and its price
# MAGIC A price says what one more exposure of the fund would bring, beyond an average one, if another fund gave one up.

# COMMAND ----------

delivered = spark.createDataFrame(
    [(f.fund_id, f.risk_level, f.demand, f.delivered, f.expected_revenue, f.price) for f in summary.funds],
    "fund_id string, risk_level int, demand bigint, delivered bigint, expected_revenue double, price double",
)
display(delivered.orderBy("risk_level", "fund_id"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Who sees what: exposures by declared tolerance and fund

# COMMAND ----------

seen = read_table(spark, output, ALLOCATION).where(f"campaign_id = '{campaign}'").select("user_id", "fund_id")
tolerance = scores.select("user_id", "risk_tolerance")
table = seen.join(tolerance, on="user_id").groupBy("risk_tolerance").pivot("fund_id").count()
display(table.orderBy("risk_tolerance"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## What if?

# COMMAND ----------

dearest = max(summary.funds, key=lambda fund: fund.price or 0.0).fund_id
changes = f"{dearest}+10%; {dearest}-10%"
print(outlook_table(what_if(spark, WhatIfSettings(**inputs, report=report, changes=changes))))

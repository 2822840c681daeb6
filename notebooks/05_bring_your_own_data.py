# Databricks notebook source
# MAGIC %md
# MAGIC # 5. Bring your own data
# MAGIC Predictions of any model, your funds and your demands: three tables are all that `allocate` needs. The rows here
# MAGIC are made by a seed; put your own in their place.

# COMMAND ----------

import tempfile

import numpy as np

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.pipeline.notebook import Notebook

# COMMAND ----------

notebook = Notebook(globals())
spark, display = notebook.spark, notebook.display
place = notebook.widget("place", tempfile.mkdtemp(prefix="ptofa_"))
users = int(notebook.widget("users", "5000"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Scores: a row per user-fund pair; a pair that is not there, or whose fund is riskier than declared, is never allocated

# COMMAND ----------

rng = np.random.default_rng(7)
funds = [("cash", 1), ("bonds", 2), ("mixed", 3), ("stocks", 5)]
tolerance = rng.integers(1, 6, users)
revenue = rng.lognormal(1.0, 1.0, (users, len(funds)))
pairs = [
    (user, int(tolerance[user]), fund, float(revenue[user, place]))
    for user in range(users)
    for place, (fund, _) in enumerate(funds)
]
columns = "user_id bigint, risk_tolerance int, fund_id string, expected_revenue double"
spark.createDataFrame(pairs, columns).write.mode("overwrite").parquet(f"{place}/scores")
spark.createDataFrame(funds, "fund_id string, risk_level int").write.mode("overwrite").parquet(f"{place}/funds")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Demands: how many exposures each fund is to get

# COMMAND ----------

wanted = [("spring", "cash", users // 2), ("spring", "bonds", users // 4), ("spring", "mixed", users // 8)]
wanted.append(("spring", "stocks", users - sum(count for _, _, count in wanted)))
demands = spark.createDataFrame(wanted, "campaign_id string, fund_id string, demand bigint")
demands.write.mode("overwrite").parquet(f"{place}/demands")

# COMMAND ----------

summary = allocate(
    spark,
    AllocateSettings(
        scores=f"{place}/scores",
        funds=f"{place}/funds",
        demands=f"{place}/demands",
        output=f"{place}/allocation",
        report=f"{place}/report",
        method="exact",
    ),
)
print(summary.line())
display(spark.read.format("delta").load(f"{place}/allocation").groupBy("fund_id").count().orderBy("fund_id"))

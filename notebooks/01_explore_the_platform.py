# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Explore the platform
# MAGIC The raw tables of a warehouse: who the users are, what the funds are, what was shown and what came of it.

# COMMAND ----------

from pyspark.sql import functions as F

from ptofa_spark.evaluation.truth.oracle import true_revenue
from ptofa_spark.pipeline.notebook import Notebook
from ptofa_spark.tables.contracts.schemas import EXPOSURES, FUNDS, TRANSACTIONS, TRUTH, USERS
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.tables.reading import read_columns, read_table

# COMMAND ----------

notebook = Notebook(globals())
spark, display = notebook.spark, notebook.display
warehouse = notebook.widget("warehouse", "warehouse/synthetic")
users, funds, transactions, exposures = (
    read_table(spark, in_warehouse(warehouse, name), schema, keep_extra=True)
    for name, schema in (("users", USERS), ("funds", FUNDS), ("transactions", TRANSACTIONS), ("exposures", EXPOSURES))
)
print(f"columns of users: {', '.join(read_columns(spark, in_warehouse(warehouse, 'users')))}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Users by the risk they declared that they can bear

# COMMAND ----------

display(users.groupBy("risk_tolerance").count().orderBy("risk_tolerance"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Purchases: a long tail of users, log-normal amounts (the paper's figure 2)

# COMMAND ----------

per_user = transactions.groupBy("user_id").agg(F.count("*").alias("purchases"), F.stddev(F.ln("amount")).alias("sigma"))
display(
    per_user.agg(
        *[F.percentile_approx("purchases", share).alias(f"purchases_p{share * 100:g}") for share in (0.5, 0.9, 0.99)],
        F.avg("sigma").alias("mean_sigma_of_log_amount"),
    )
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Campaigns: what each fund's exposures brought

# COMMAND ----------

rates = exposures.groupBy("fund_id").agg(
    F.count("*").alias("exposures"),
    (1000 * F.count_if("conversion") / F.count("*")).alias("conversions_per_mille"),
    F.try_divide(F.sum("revenue"), F.count_if("conversion")).alias("revenue_of_a_conversion"),
)
display(rates.join(funds.select("fund_id", "risk_level"), on="fund_id").orderBy("risk_level", "fund_id"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## The truth, where the platform is simulated: no feature and no model reads it

# COMMAND ----------

if table_exists(spark, in_warehouse(warehouse, "truth")):
    truth = read_table(spark, in_warehouse(warehouse, "truth"), TRUTH)
    display(truth.groupBy("fund_id").agg(F.avg("p_c"), F.avg(true_revenue()).alias("mean_E")).orderBy("fund_id"))

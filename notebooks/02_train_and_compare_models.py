# Databricks notebook source
# MAGIC %md
# MAGIC # 2. Train and compare models
# MAGIC Table 1 of the paper on this warehouse: each model trained and measured on exposures that it has not seen, beside
# MAGIC the oracle, zero and the mean. Where the data are simulated, the last columns decide: what the optimal allocation
# MAGIC of the model's E is worth under the truth, and what that loses against the truth's own.

# COMMAND ----------

from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.table_1.table_1 import table_1
from ptofa_spark.pipeline.notebook import Notebook
from ptofa_spark.training.settings import TrainSettings

# COMMAND ----------

notebook = Notebook(globals())
warehouse = notebook.widget("warehouse", "warehouse/synthetic")
report = notebook.widget("report", "reports/synthetic")
models = notebook.widget("models", "ptofa,ziln,esmm")
seeds = int(notebook.widget("seeds", "1"))
epochs = int(notebook.widget("epochs", str(TrainSettings().epochs)))

# COMMAND ----------

settings = EvaluateSettings(warehouse=warehouse, report=report, table1_models=models, table1_seeds=seeds)
print(table_1(notebook.spark, settings, {"epochs": epochs}))

# Databricks notebook source
# MAGIC %md
# MAGIC # 2. Train and compare models
# MAGIC Table 1 of the paper on this warehouse: each model trained and measured on exposures that it has not seen, beside
# MAGIC the oracle, zero and the mean. Where the data are simulated, the last columns decide: what the optimal allocation
# MAGIC of the model's E is worth under the truth, and what that loses against the truth's own.

# COMMAND ----------

from ptofa_spark.evaluation.table_1.compare_models import compare_models
from ptofa_spark.evaluation.table_1.settings import CompareModelsSettings
from ptofa_spark.evaluation.table_1.text import table_1_page
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

settings = CompareModelsSettings(warehouse=warehouse, report=report, models=models, seeds=seeds)
print(table_1_page(compare_models(notebook.spark, settings, {"epochs": epochs})))

"""conf/every_setting.yaml: each setting of each job with its default, made from the settings classes themselves.

`python -m ptofa_spark.pipeline.every_setting > conf/every_setting.yaml`; a test keeps the file true.
"""

from __future__ import annotations

import sys
import textwrap

import yaml

from ptofa_spark.allocation.settings import AllocateSettings, AuditSettings
from ptofa_spark.allocation.what_if.settings import WhatIfSettings
from ptofa_spark.config import SHARED_KEYS, Settings
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.table_1.settings import CompareModelsSettings
from ptofa_spark.evaluation.table_2.settings import SimulateCampaignSettings
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.ingest.settings import IngestSettings
from ptofa_spark.pipeline.settings import RunPipelineSettings
from ptofa_spark.running.session import SparkSettings
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from ptofa_spark.training.settings import TrainSettings

SETTINGS: dict[str, type[Settings]] = {
    "spark": SparkSettings,
    "generate_platform": GeneratePlatformSettings,
    "ingest": IngestSettings,
    "build_features": BuildFeaturesSettings,
    "train": TrainSettings,
    "score": ScoreSettings,
    "allocate": AllocateSettings,
    "audit": AuditSettings,
    "evaluate": EvaluateSettings,
    "compare_models": CompareModelsSettings,
    "simulate_campaign": SimulateCampaignSettings,
    "what_if": WhatIfSettings,
    "run_pipeline": RunPipelineSettings,
}
_HEAD = f"""\
# Every setting of every job with its default. Made by `python -m ptofa_spark.pipeline.every_setting`.
# A setting without a default must be given, here or as --key value on the command line.
# {", ".join(SHARED_KEYS)} may also stand at the top level, for all jobs that have them.
"""
_WIDTH = 116


def every_setting() -> str:
    """The file's text."""
    return _HEAD + "".join(f"\n{name}:\n{_section(settings)}" for name, settings in SETTINGS.items())


def _section(settings: type[Settings]) -> str:
    lines: list[str] = []
    for name, field in settings.model_fields.items():
        lines += textwrap.wrap(field.description or "", _WIDTH, initial_indent="  # ", subsequent_indent="  # ")
        if field.is_required():
            lines.append(f"  # {name}:  (required)")
        else:
            value = settings.model_construct().model_dump(mode="json")[name]
            text = yaml.safe_dump({name: value}, default_flow_style=False, allow_unicode=True, width=_WIDTH)
            lines.append(textwrap.indent(text.rstrip(), "  "))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(every_setting())

"""The models by name: the rows of the paper's Table 1. Their names need no torch."""

from __future__ import annotations

from ptofa_spark.errors import ConfigError
from ptofa_spark.registry import Entry, Registry

# One line per model. Its module declares the rest.
MODELS = Registry(
    what="model",
    package="ptofa_spark.models",
    declares="MODEL",
    entries={
        "ptofa": Entry("ptofa", "the paper's model"),
        "ziln": Entry("ziln", "the same network, zero-inflated log-normal loss"),
        "mtl_mse": Entry("mtl_mse", "shared bottom, squared error of revenue over all exposures"),
        "mmoe": Entry("mmoe", "experts that two tasks mix"),
        "shared_bottom": Entry("shared_bottom", "one trunk for two tasks"),
        "esmm": Entry("esmm", "click and conversion, no revenue"),
        "dnn_c": Entry("dnn_c", "conversion alone"),
        "dnn_r": Entry("dnn_r", "revenue alone"),
    },
)


def require_model(name: str) -> None:
    """Rejects a name that no model has.

    Raises:
        ConfigError: no model has the name. The message lists the known ones.
    """
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}: {MODELS.choices()}")

"""Steps of an allocation plan as JSON, and back; floats keep every bit."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ptofa_spark.allocation.choice_rule import ChoiceRule
from ptofa_spark.allocation.nudge import Nudge
from ptofa_spark.allocation.steps import Assigned, Cut, Phase, Priced, Step, Take

_NAMES: dict[str, type[Phase] | type[Take] | type[Priced] | type[Assigned]] = {
    "phase": Phase,
    "take": Take,
    "priced": Priced,
    "assigned": Assigned,
}
_BOOLEAN = ("open",)
_MONEY = ("alpha", "prices")


def step_to_json(step: Step) -> dict[str, Any]:
    """A step as plain values, with its kind under `step`.

    Raises:
        TypeError: a plan holds no step of that kind.
    """
    name = next((name for name, kind in _NAMES.items() if isinstance(step, kind)), None)
    if name is None:
        raise TypeError(f"a plan holds {', '.join(_NAMES)}, not {type(step).__name__}")
    return {"step": name, **_plain(step)}


def step_from_json(content: dict[str, Any]) -> Step:
    """The step that `step_to_json` wrote."""
    values = {key: _value(key, value) for key, value in content.items() if key != "step"}
    step: Step = _NAMES[content["step"]](**values)
    return step


def _plain(record: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray):
            value = (value.astype(int) if value.dtype == bool else value).tolist()
        elif isinstance(value, Cut | ChoiceRule | Nudge):
            value = _plain(value)
        elif isinstance(value, tuple):
            value = [[user_id, list(columns)] for user_id, columns in value]
        plain[field.name] = value
    return plain


def _value(key: str, value: Any) -> Any:
    if key == "exceptions":
        return tuple((int(user_id), tuple(columns)) for user_id, columns in value)
    if key == "cut":
        return None if value is None else Cut(float(value["value"]), int(value["user_id"]))
    if key == "nudge":
        return Nudge(**value)
    if key == "rule":
        return ChoiceRule(**{name: _value(name, part) for name, part in value.items()})
    if isinstance(value, list):
        return np.array(value, dtype=bool if key in _BOOLEAN else np.float64 if key in _MONEY else np.int64)
    return value

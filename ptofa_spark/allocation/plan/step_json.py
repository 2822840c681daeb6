"""Steps of an allocation plan as JSON, and back; floats keep every bit.

What a number of a step was is told by the types of its class, so that no step needs a line here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.allocation.plan.steps import Step


def step_to_json(step: Step) -> dict[str, Any]:
    """A step as plain values, with its name under `step`."""
    return {"step": step.name, **_plain(step)}


def step_from_json(content: dict[str, Any], step_types: Iterable[type[Step]]) -> Step:
    """The step that `step_to_json` wrote.

    Args:
        content: what was written.
        step_types: the classes that the step may be of.

    Raises:
        KeyError: it is of none of them.
    """
    by_name = {step_type.name: step_type for step_type in step_types}
    step: Step = _record(by_name[content["step"]], {key: value for key, value in content.items() if key != "step"})
    return step


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return (value.astype(int) if value.dtype == bool else value).tolist()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _record(hint: Any, content: dict[str, Any]) -> Any:
    types = get_type_hints(hint)
    return hint(**{key: _typed(types[key], value) for key, value in content.items()})


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    of_elements = _type_of_elements(hint)
    if of_elements is not None:
        return np.array(value, dtype=of_elements)
    if get_origin(hint) is tuple:
        return _tuples(value)
    named = next((each for each in (hint, *get_args(hint)) if each is not NoneType and is_dataclass(each)), None)
    return value if named is None else _record(named, value)


def _type_of_elements(hint: Any) -> Any:
    """The type of an array's elements, None for another hint.

    NDArray[X] is ndarray[shape, dtype[X]], and from NumPy 2.5 on an alias that keeps its name.
    """
    if get_origin(hint) is np.ndarray:
        return get_args(get_args(hint)[1])[0]
    return get_args(hint)[0] if get_origin(hint) is NDArray else None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value

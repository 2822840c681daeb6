"""What a failure that no one foresaw is called, by what is in its text."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.exceptions import AxisError

from ptofa_spark.failures import why_it_failed


def of_numpy() -> MemoryError:
    with pytest.raises(MemoryError) as caught:
        np.empty((2**40, 2**18))
    return caught.value


def test_memory_of_python_and_of_the_jvm_are_told_apart() -> None:
    """More heap for the JVM would take from Python the memory that it lacks."""
    for error in (MemoryError(), of_numpy()):
        said = why_it_failed(error)
        assert said is not None
        assert "Python ran out of memory" in said
    said = why_it_failed(RuntimeError("java.lang.OutOfMemoryError: Java heap space"))
    assert said is not None
    assert "Spark's JVM ran out of memory" in said


def test_a_bug_has_no_cause_to_be_named() -> None:
    assert why_it_failed(AxisError("a bug")) is None

"""What a failure that no one foresaw is called, by what is in its text."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.exceptions import AxisError
from pyspark.errors import PythonException

from ptofa_spark.failures import why_it_failed


def of_numpy() -> MemoryError:
    with pytest.raises(MemoryError) as caught:
        np.empty((2**40, 2**18))
    return caught.value


WORKER = 'Traceback (most recent call last):\n  File "w.py", line 1, in f\n{error}\n'
MEMORY = {
    "the driver's Python ran out of memory": [MemoryError(), of_numpy()],
    "a Python worker ran out of memory": [
        PythonException(WORKER.format(error=said))
        for said in ("MemoryError", "MemoryError: Unable to allocate", "numpy._core._exceptions._ArrayMemoryError: no")
    ],
    "Spark's JVM ran out of memory": [RuntimeError("java.lang.OutOfMemoryError: Java heap space")],
    "the GPU ran out of memory": [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")],
}


@pytest.mark.parametrize("whose", MEMORY)
def test_whose_memory_ran_out_is_told_apart(whose: str) -> None:
    """More heap for the JVM would take from Python the memory that it lacks."""
    for error in MEMORY[whose]:
        assert (why_it_failed(error) or "").startswith(whose)


def test_a_bug_has_no_cause_to_be_named() -> None:
    assert why_it_failed(AxisError("a bug")) is None

"""The name that an unforeseen failure is given, by what is in its text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.exceptions import AxisError
from pyspark.errors import PythonException

from ptofa_spark.running.failures import why_it_failed


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
def test_the_process_that_ran_out_of_memory_is_named(whose: str) -> None:
    """Advice for the wrong process would do harm: more heap for the JVM leaves less memory for Python."""
    for error in MEMORY[whose]:
        assert (why_it_failed(error) or "").startswith(whose)


OF_WORKERS = {
    'java.io.IOException: Cannot run program "/nope/python": error=2, No such file or directory': "no /nope/python on",
    WORKER.format(
        error="pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has "
        "different version: 3.12 than that in driver: 3.11, PySpark cannot run with different minor versions."
    ): "the Python workers run Python 3.12, the job runs 3.",
    WORKER.format(error="ModuleNotFoundError: No module named 'numpy'"): "the Python of the workers lacks numpy",
}


@pytest.mark.parametrize("trace", OF_WORKERS)
def test_a_python_that_cannot_run_the_workers_is_named(trace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", "/opt/python")
    said = why_it_failed(PythonException(trace)) or ""
    assert OF_WORKERS[trace] in said
    assert "(PYSPARK_PYTHON is '/opt/python')" in said


def test_a_module_that_hides_pythons_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = "pandas has no attribute '_pandas_datetime_CAPI' (most likely due to a circular import)"
    assert why_it_failed(AttributeError(hidden)) is None
    (tmp_path / "calendar.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for error in (AttributeError(hidden), PythonException(WORKER.format(error=f"AttributeError: {hidden}"))):
        assert (why_it_failed(error) or "").startswith(f"{tmp_path}/calendar.py hides the module calendar that Python")


def test_an_unknown_failure_shows_what_was_raised() -> None:
    raised = "ZeroDivisionError: division by zero"
    trace = WORKER.format(error=raised)
    chained = WORKER.format(error="KeyError: 1") + "\nDuring handling of the above exception:\n\n" + trace
    for text in (
        trace,
        chained,
        f"org.apache.spark.SparkException: aborted\n\tat org.apache.A\nCaused by: org.P: {trace}\n\tat org.apache.B",
    ):
        assert why_it_failed(PythonException(text)) == f"Spark failed: {raised}; --debug shows its trace"
    of_jvm = "o1.x\n: java.lang.A: first\n\tat org.apache.B\nCaused by: java.lang.C: last\n\tat org.apache.D"
    assert why_it_failed(PythonException(of_jvm)) == "Spark failed: java.lang.C: last; --debug shows its trace"


def test_a_bug_is_given_no_cause() -> None:
    assert why_it_failed(AxisError("a bug")) is None

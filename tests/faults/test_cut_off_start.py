"""A signal that comes while Spark's JVM starts: the JVM would wait for ever for a driver that is gone."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.faults.stages import PATIENCE, STAGES, jvm, until_its_jvm_is_gone


@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_a_signal_while_the_jvm_starts_ends_both(tmp_path: Path, number: signal.Signals, said: str) -> None:
    process = STAGES["generate_platform"].start(tmp_path)
    until = time.monotonic() + PATIENCE
    while jvm(process) is None:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert stderr.splitlines()[-1].startswith(f"error: {said}; no table is half-written")
    until_its_jvm_is_gone(process, patience=60)

"""Logs the stages of a run to stderr: one key=value line when a stage starts, one when it ends."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from ptofa_spark.running.redaction import without_secrets

logger = logging.getLogger("ptofa_spark")
RUN_ID = uuid.uuid4().hex[:8]


@dataclass
class StageReport:
    """Counts of a stage. The stage fills them; they are logged at its end. seconds: its duration."""

    name: str
    counts: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0


class _WithoutSecrets(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the sys.stderr of the moment when a line is logged, since tests and notebooks replace it."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass


def log_to_stderr() -> None:
    """Sends the library's log lines to stderr. Further calls change nothing."""
    if not logger.handlers:
        handler = _Stderr()
        handler.setFormatter(_WithoutSecrets("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


@contextmanager
def stage(name: str, **counts: object) -> Iterator[StageReport]:
    """Times a stage of the run, and logs its start, its end and its counts.

    A stage that raises logs no end.
    """
    report = StageReport(name, dict(counts))
    started = time.perf_counter()
    logger.info("run=%s stage=%s begins%s", RUN_ID, name, _key_values(report.counts))
    yield report
    report.seconds = time.perf_counter() - started
    logger.info("run=%s stage=%s done%s seconds=%.1f", RUN_ID, name, _key_values(report.counts), report.seconds)


def _key_values(counts: dict[str, object]) -> str:
    return "".join(f" {key}={value}" for key, value in counts.items())

"""Says what a run is doing: one line when a stage starts, one when it ends, key=value, on stderr."""

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
    """What a stage counted; filled by the stage, printed at its end."""

    name: str
    counts: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0


class _WithoutSecrets(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is when a line is logged, not to what it was when the handler was made."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass


def log_to_stderr() -> None:
    """Sends the library's log lines to stderr, once however often it is called."""
    if not logger.handlers:
        handler = _Stderr()
        handler.setFormatter(_WithoutSecrets("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


@contextmanager
def stage(name: str, **counts: object) -> Iterator[StageReport]:
    """Names a stage of the run, times it, and logs what it counted.

    A stage that raises logs no end: the error is the end.
    """
    report = StageReport(name, dict(counts))
    started = time.perf_counter()
    logger.info("run=%s stage=%s begins%s", RUN_ID, name, _key_values(report.counts))
    yield report
    report.seconds = time.perf_counter() - started
    logger.info("run=%s stage=%s done%s seconds=%.1f", RUN_ID, name, _key_values(report.counts), report.seconds)


def _key_values(counts: dict[str, object]) -> str:
    return "".join(f" {key}={value}" for key, value in counts.items())

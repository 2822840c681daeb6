"""Runs a job's `main` as a process should end: a result, or one line that says why there is none, and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ptofa_spark.errors import DEBUG, UserError
from ptofa_spark.failures import why_it_failed
from ptofa_spark.redaction import without_secrets

EXIT_OK = 0
EXIT_USER_ERROR = 2
EXIT_FAILED = 3  # the machine, the cluster or a file of a table: the same command may succeed later
EXIT_BUG = 70


class _Terminated(KeyboardInterrupt):
    """SIGTERM, raised where the main thread stands, so that the session and its JVM are stopped on the way out."""


def run_as_job(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Runs a job's `main`; `--debug` (or PTOFA_DEBUG=1) shows the trace before the one line.

    Returns:
        The exit code: 0, 2 for a `UserError`, 3 for a failure of machine, cluster or files, 70 for a bug of ours, and
        128 and the signal's number after Ctrl-C (130) or SIGTERM (143).
    """
    with _sigterm_raised():
        try:
            return main(argv)
        except UserError as error:
            return _ends(str(error), EXIT_USER_ERROR)
        except _Terminated:
            return _ends("terminated; no table is half-written: run the same command again", 128 + signal.SIGTERM)
        except KeyboardInterrupt:
            return _ends("interrupted; no table is half-written: run the same command again", 128 + signal.SIGINT)
        except Exception as error:  # noqa: BLE001 - the outermost: whatever is left ends as one line
            cause = why_it_failed(error)
            if cause is not None:
                return _ends(cause, EXIT_FAILED)
            found = f"{type(error).__name__}: {error}"
            return _ends(f"a bug of this program ({found}): please report it with what --debug shows", EXIT_BUG)


def _ends(line: str, code: int) -> int:
    if os.environ.get(DEBUG):
        sys.stderr.write(without_secrets(traceback.format_exc()))
    print(f"error: {without_secrets(' '.join(line.split()))}", file=sys.stderr)  # noqa: T201 - a job's last word
    return code


@contextmanager
def _sigterm_raised() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def raised(_: int, __: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, raised)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""Runs a job's `main` as a process should end: a result, or one line that says why there is none, and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ptofa_spark.errors import DEBUG, ConfigError, UserError
from ptofa_spark.running.failures import why_it_failed
from ptofa_spark.running.redaction import without_secrets

EXIT_OK = 0
EXIT_USER_ERROR = 2
EXIT_FAILED = 3  # the machine, the cluster or a file of a table: the same command may succeed later
EXIT_BUG = 70

_WHOLE = "no table is half-written: run the same command again"


def run_as_job(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Runs a job's `main`; `--debug` (or PTOFA_DEBUG=1) shows the trace before the one line.

    Returns:
        The exit code: 0, 2 for a `UserError`, 3 for a failure of machine, cluster or files, 70 for a bug of ours, and
        128 and the signal's number after Ctrl-C (130) or SIGTERM (143).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr is: what a terminal cannot show is shown by its number, and costs no result.
        sys.stdout.reconfigure(errors="backslashreplace")
    with _signals_noted() as came:
        try:
            _require_words(sys.argv[1:] if argv is None else argv)
            return main(argv)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost: whatever is left ends as one line
            signals = came()
            if signal.SIGTERM in signals:
                return _ends(f"terminated; {_WHOLE}", 128 + signal.SIGTERM)
            if signal.SIGINT in signals or isinstance(error, KeyboardInterrupt):
                return _ends(f"interrupted; {_WHOLE}", 128 + signal.SIGINT)
            return _ends(*_line_and_code(error))


def _require_words(argv: Sequence[str]) -> None:
    """Refuses an argument that Python could not read: Spark would be handed halves of letters."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            shown = word.encode(errors="surrogateescape").decode(errors="backslashreplace")
            raise ConfigError(
                f"the argument {shown} is not in {sys.getfilesystemencoding()}, in which arguments are read: rename "
                "the file, or set LC_ALL to the locale that its name is written in (C.UTF-8 for most)"
            ) from error


def _line_and_code(error: Exception) -> tuple[str, int]:
    if isinstance(error, UserError):
        return str(error), EXIT_USER_ERROR
    cause = why_it_failed(error)
    if cause is not None:
        return cause, EXIT_FAILED
    found = f"{type(error).__name__}: {error}"
    return f"a bug of this program ({found}): please report it with what --debug shows", EXIT_BUG


def _ends(line: str, code: int) -> int:
    if os.environ.get(DEBUG):
        sys.stderr.write(without_secrets(traceback.format_exc()))
    print(f"error: {without_secrets(' '.join(line.split()))}", file=sys.stderr)  # noqa: T201 - a job's last word
    return code


@contextmanager
def _signals_noted() -> Iterator[Callable[[], set[int]]]:
    """SIGTERM interrupts the main thread as Ctrl-C does, so that the session and its JVM are stopped on the way out.

    Yields what tells the signals that have come: an interrupt makes PySpark and Py4J call the JVM to clean up, and
    where such a call fails, its error is all that is left of the interrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield set
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)

    def came() -> set[int]:
        try:
            return set(os.read(reader, 4_096))
        except BlockingIOError:
            return set()

    noted_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.set_wakeup_fd(noted_before)
        os.close(reader)
        os.close(writer)

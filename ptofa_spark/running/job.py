"""Runs a job's `main` and ends the process with an exit code, and with one line on stderr if the job failed."""

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
from ptofa_spark.running.extras import missing_extra
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
        The exit code: 0 for success, 2 for a `UserError`, 3 for a failure of machine, cluster or files, 70 for a bug,
        130 after Ctrl-C, 143 after SIGTERM.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr does: escape characters that the terminal cannot show, instead of failing.
        sys.stdout.reconfigure(errors="backslashreplace")
    with _signals_recorded() as received:
        try:
            _require_readable_arguments(sys.argv[1:] if argv is None else argv)
            return main(argv)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost: whatever is left ends as one line
            signals = received()
            if signal.SIGTERM in signals:
                return _print_line(f"terminated; {_WHOLE}", 128 + signal.SIGTERM)
            if signal.SIGINT in signals or isinstance(error, KeyboardInterrupt):
                return _print_line(f"interrupted; {_WHOLE}", 128 + signal.SIGINT)
            return _print_line(*_line_and_code(error))


def _require_readable_arguments(argv: Sequence[str]) -> None:
    """Rejects an argument that Python could not decode: Spark would receive broken characters."""
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
    lacking = missing_extra(error)
    if lacking is not None:
        return lacking, EXIT_USER_ERROR
    cause = why_it_failed(error)
    if cause is not None:
        return cause, EXIT_FAILED
    description = f"{type(error).__name__}: {error}"
    return f"a bug of this program ({description}): please report it with what --debug shows", EXIT_BUG


def _print_line(line: str, code: int) -> int:
    if os.environ.get(DEBUG):
        sys.stderr.write(without_secrets(traceback.format_exc()))
    print(f"error: {without_secrets(' '.join(line.split()))}", file=sys.stderr)  # noqa: T201 - a job's last word
    return code


@contextmanager
def _signals_recorded() -> Iterator[Callable[[], set[int]]]:
    """Makes SIGTERM interrupt the main thread as Ctrl-C does, so that the session and its JVM are stopped.

    Yields a function that returns the signals received since its last call. After an interrupt, PySpark and Py4J call
    the JVM to clean up; if that call fails, its error replaces the KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield set
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)

    def received() -> set[int]:
        try:
            return set(os.read(reader, 4_096))
        except BlockingIOError:
            return set()

    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.set_wakeup_fd(wakeup_before)
        os.close(reader)
        os.close(writer)

"""Peak memory of a process and its children, by kind: the driver (Python), the JVM, and the Python workers."""

from __future__ import annotations

import contextlib
import threading

import psutil

_GIB = 2**30
_SECONDS_BETWEEN_SAMPLES = 0.5


class PeakMemory:
    """Samples memory while the context is open. `peaks` holds the highest sum per kind, GiB."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peaks = {"driver": 0.0, "jvm": 0.0, "workers": 0.0}

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_SAMPLES):
            with contextlib.suppress(psutil.Error):
                now = dict.fromkeys(self.peaks, 0.0)
                now["driver"] = self._root.memory_info().rss
                for child in self._root.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        # Forked workers share pages with their parent: count only the pages that are their own (uss).
                        is_jvm = child.name() == "java"
                        info = child.memory_info() if is_jvm else child.memory_full_info()
                        now["jvm" if is_jvm else "workers"] += info.rss if is_jvm else info.uss
                for kind, size in now.items():
                    self.peaks[kind] = max(self.peaks[kind], size / _GIB)

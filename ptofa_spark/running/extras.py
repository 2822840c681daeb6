"""The packages that only some jobs need, and the extra of setup.py that installs each."""

from __future__ import annotations

EXTRA_OF = {
    "torch": "train",
    "petastorm": "train",
    "safetensors": "train",
    "mlflow": "train",
    "sklearn": "train",
    "tqdm": "train",
    "fsspec": "train",
    "sqlalchemy": "train",
    "alembic": "train",
    "matplotlib": "report",
    "jinja2": "report",
}


def missing_extra(error: BaseException) -> str | None:
    """What to install if an import failed for a package of an extra, in one line; None for any other error."""
    # Python names a submodule only if its package is there.
    package = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    extra = EXTRA_OF.get(package)
    if extra is None:
        return None
    return f"the package {package} is not installed, which this job needs: pip install 'ptofa-spark[{extra}]'"

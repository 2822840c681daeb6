"""A package that only some jobs need is named with its extra of setup.py; setup.py's extras hold all of them."""

from __future__ import annotations

from importlib.metadata import metadata, packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ptofa_spark.running.extras import EXTRA_OF, missing_extra


def test_every_package_is_in_the_extra_that_is_named() -> None:
    asked = [Requirement(line) for line in metadata("ptofa-spark").get_all("Requires-Dist", [])]
    distributions = packages_distributions()
    for package, extra in EXTRA_OF.items():
        providers = {canonicalize_name(name) for name in distributions[package]}
        marked = [str(each.marker) for each in asked if canonicalize_name(each.name) in providers]
        assert f'extra == "{extra}"' in marked
        assert 'extra == "all"' in marked


def test_a_missing_package_is_named_with_its_extra() -> None:
    lacking = missing_extra(ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert lacking == "the package torch is not installed, which this job needs: pip install 'ptofa-spark[train]'"


def test_other_errors_are_no_matter_of_extras() -> None:
    """A submodule is missing if another module hides the package, or if the package is broken."""
    submodule = ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    own = ModuleNotFoundError("x", name="ptofa_spark.nowhere")
    for error in (submodule, own, ImportError("torch", name="torch"), OSError()):
        assert missing_extra(error) is None

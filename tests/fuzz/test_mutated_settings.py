"""Settings as anyone might write them: each set is taken, or refused in one line that names the cause."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptofa_spark.config import SECTIONS, load_yaml, parse_pipeline
from ptofa_spark.errors import ConfigError
from ptofa_spark.pipeline.every_setting import SETTINGS
from ptofa_spark.running.session import SparkSettings

NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -1, 1, 2**63, 1e400, float("nan")]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=12), st.sampled_from(["4g", "local[2]", "ha"]))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.text(max_size=4), SCALARS, max_size=2))


@st.composite
def sections(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """A job, and a section for it with some known keys, some unknown ones, and any values."""
    job = draw(st.sampled_from([name for name in SECTIONS if name != "spark"]))
    keys = st.sampled_from(sorted(SETTINGS[job].model_fields))
    return job, draw(st.dictionaries(st.one_of(keys, keys, keys, st.text(min_size=1, max_size=6)), VALUES, max_size=4))


def one_line(error: ConfigError) -> None:
    text = " ".join(str(error).split())
    assert text
    assert "Traceback" not in text


@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(drawn=sections())
def test_a_section_is_taken_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[str, dict[str, object]]
) -> None:
    job, section = drawn
    place = tmp_path_factory.getbasetemp() / "section.yaml"
    place.write_text(yaml.safe_dump({job: section}, allow_unicode=True), encoding="utf-8")
    try:
        taken, _, _ = parse_pipeline(job, SETTINGS[job], SparkSettings, "", ["--config", str(place)])
    except ConfigError as error:
        one_line(error)
        return
    assert set(section) <= set(type(taken).model_fields)
    assert repr(type(taken).model_validate(taken.model_dump())) == repr(taken)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(words=st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["--k", "--method", "--seed", "--debug=1"]))))
def test_a_command_line_is_taken_or_refused_in_one_line(words: list[str]) -> None:
    if "-h" in words or "--help" in words:
        return
    try:
        parse_pipeline("allocate", SETTINGS["allocate"], SparkSettings, "", words)
    except ConfigError as error:
        one_line(error)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode())))
def test_any_file_is_a_config_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    place: Path = tmp_path_factory.getbasetemp() / "any.yaml"
    place.write_bytes(content)
    try:
        assert isinstance(load_yaml(str(place)), dict)
    except ConfigError as error:
        one_line(error)

"""A run that Ctrl-C or SIGTERM ends says so, whatever error they lead to."""

from __future__ import annotations

import logging
import os
import signal
import time

import pytest
from py4j.java_gateway import GatewayClient  # type: ignore[import-untyped]  # has no stubs
from pyspark.sql import SparkSession

from ptofa_spark.running.job import run_as_job


@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_a_signal_is_told_even_if_cleaning_up_fails(
    number: signal.Signals, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(_: object) -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        except KeyboardInterrupt:
            raise ConnectionError("the JVM does not answer") from None
        return 0

    before = signal.getsignal(signal.SIGTERM), signal.set_wakeup_fd(-1)
    assert run_as_job(main) == 128 + number
    assert (signal.getsignal(signal.SIGTERM), signal.set_wakeup_fd(-1)) == before
    assert capsys.readouterr().err == f"error: {said}; no table is half-written: run the same command again\n"


def test_a_lost_jvm_without_a_signal_is_no_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_: object) -> int:
        raise ConnectionError("the JVM does not answer")

    assert run_as_job(main) == 3
    assert "JVM ended before the job did" in capsys.readouterr().err


def test_py4j_logs_no_trace_of_a_call_that_was_cut_off(
    spark: SparkSession, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Py4J logs an interrupt to the root logger: that line is left out, our own line on the same logger is not."""

    class CutOff:
        socket = None

        def send_command(self, _: str) -> str:
            raise KeyboardInterrupt

    client = GatewayClient()
    monkeypatch.setattr(client, "_get_connection", CutOff)
    with caplog.at_level(logging.INFO):
        logging.error("ours")  # noqa: LOG015 - the logger that Py4J takes
        with pytest.raises(KeyboardInterrupt):
            client.send_command("c\n")
    assert [record.getMessage() for record in caplog.records if record.name == "root"] == ["ours"]

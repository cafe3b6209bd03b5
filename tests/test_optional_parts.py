"""Parts that only some installations have: nothing of them is imported where they are not asked for,
and what is missing is said in one line.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import environment
from pilotfish import optional_parts
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.errors import StartError


def test_an_endpoint_that_is_none_is_named_without_the_password_in_it():
    with pytest.raises(StartError) as refused:
        optional_parts.tracer_to("collector:secret@traces:4318")
    assert "expected http:// or https://, found 'traces:4318'" in str(refused.value)


def test_traces_without_opentelemetry_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pilotfish.telemetry.traces", None)
    with pytest.raises(StartError, match=r"pip install 'pilotfish\[otlp\]'"):
        optional_parts.tracer_to("http://collector:4318")


def test_what_is_not_asked_for_is_not_there():
    ledger, history = Ledger(), RaceHistory()
    assert optional_parts.tracer_to("") is None
    assert optional_parts.limits_in_common("", ledger, Budgets()) is None
    assert optional_parts.statistics_keeper("", ledger, history) is None


def test_what_is_not_asked_for_is_not_imported():
    script = (
        "import sys, pilotfish.app, pilotfish.cli.proxy\n"
        "print(sorted({'redis', 'opentelemetry', 'kubernetes', 'botocore', 'azure', 'uvloop'}"
        " & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True
    )
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


def test_statistics_are_kept_in_the_folder_that_is_named(tmp_path):
    keeper = optional_parts.statistics_keeper(str(tmp_path), Ledger(), RaceHistory())
    assert keeper is not None
    assert keeper.save()
    assert [path.name for path in tmp_path.iterdir()] == ["statistics.json"]

"""What logs say of an error: where it was, never with which values."""

from __future__ import annotations

import pytest
import structlog

from pilotfish.shell import logs
from planted import planted


@pytest.fixture(autouse=True)
def as_before():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_does_not_show_local_variables(form, capsys):
    """Rich, where it is installed beside structlog, shows them: keys and requests among them."""
    logs.set_up("info", form)

    def send() -> None:
        key = planted()
        raise ValueError(f"{len(key)} is not a number")

    try:
        send()
    except ValueError:
        structlog.get_logger("test").exception("bug", where="here")
    said = capsys.readouterr().err
    assert "is not a number" in said
    assert "in send" in said
    assert "hush" not in said

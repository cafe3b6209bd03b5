"""The admin port, where it is not tested through a whole proxy."""

from types import SimpleNamespace

import pytest

from admin.test_port import asking
from pilotfish.admin import routes
from pilotfish.admin.routes import Admin


@pytest.fixture
async def asked(monkeypatch):
    """Asks for a path; returns the status. `engine` and `clock` are the test's to change."""
    engine, clock = (
        SimpleNamespace(ready=False, draining=False),
        SimpleNamespace(now=100.0),
    )
    monkeypatch.setattr(routes, "time", SimpleNamespace(monotonic=lambda: clock.now))

    async def ask(path):
        return (await get(path)).status

    ask.engine, ask.clock = engine, clock
    async with asking(Admin(engine, None, None, None, max_body_bytes=1000).application()) as get:
        yield ask


async def test_a_startup_probe_waits_for_rules_but_not_for_ever(asked):
    """A sidecar that held its Pod back until there are rules would keep an application down for a
    typing error.
    """
    assert await asked("/healthz?startup_s=10") == 503
    asked.clock.now += 10
    assert await asked("/healthz?startup_s=10") == 200
    assert await asked("/readyz") == 503


async def test_with_rules_a_startup_probe_is_content_at_once(asked):
    asked.engine.ready = True
    assert await asked("/healthz?startup_s=10") == 200


@pytest.mark.parametrize(
    "query", ["", "?startup_s=", "?startup_s=-1", "?startup_s=soon", "?other=1"]
)
async def test_any_other_question_is_whether_the_process_lives(asked, query):
    assert await asked(f"/healthz{query}") == 200

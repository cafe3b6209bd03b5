"""The admin port, where it is not tested through a whole proxy."""

from types import SimpleNamespace

import pytest

from admin.test_port import asking
from pilotfish.admin import routes
from pilotfish.admin.routes import Admin, is_loopback


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


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.9", False),
        ("::ffff:10.0.0.9", False),
        ("fe80::1%eth0", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback_is_this_machine_only(address, expected):
    assert is_loopback(address) is expected


@pytest.mark.parametrize(("anywhere", "status"), [(False, 403), (True, 404)])
async def test_whoever_scrapes_may_not_reset_unless_everybody_may(monkeypatch, anywhere, status):
    """404: it was let in, and no such provider is there."""
    monkeypatch.setattr(routes, "is_loopback", lambda address: False)
    engine = SimpleNamespace(snapshot=SimpleNamespace(providers={}))
    admin = Admin(engine, None, None, None, max_body_bytes=1000, writes_from_anywhere=anywhere)
    async with asking(admin.application()) as get:
        answer = await get("/reset", method="POST", json={"provider": "p"})
    assert answer.status == status
    if status == 403:
        assert "PILOTFISH_ADMIN_WRITE" in answer.text

"""Going out and coming back are log lines."""

import structlog

from fleet import failure, service
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.state.health import Health
from pilotfish.core.state.ledger import BACK, OUT, REFUSED, HealthChange
from pilotfish.telemetry.health_log import log_health_change


def logged(kind, failed=None, key=None):
    health = Health()
    health.outcome, health.reason, health.step = Outcome.SERVER_ERROR, "server_error", 2
    change = HealthChange(kind, service("m"), health, key, 12.3456, failed)
    with structlog.testing.capture_logs() as lines:
        log_health_change(change)
    [line] = lines
    return line


def test_what_goes_out_says_why_by_which_step_and_until_when():
    line = logged(OUT, failure(Outcome.SERVER_ERROR))
    assert (line["event"], line["service"], line["step"]) == ("service_out", "acme/m", 2)
    assert (line["outcome"], line["reason"]) == ("server_error", "server_error")
    assert line["until"].endswith("Z")


def test_what_comes_back_says_how_long_it_was_out():
    line = logged(BACK)
    assert (line["event"], line["out_s"]) == ("service_back", 12.346)


def test_a_refused_credential_is_an_error_that_names_the_provider_and_no_key():
    line = logged(REFUSED, failure(Outcome.AUTH_FAILED, status=401), key=1)
    assert (line["event"], line["log_level"]) == ("credential_refused", "error")
    assert (line["provider"], line["credential"], line["status"]) == ("acme", 1, 401)

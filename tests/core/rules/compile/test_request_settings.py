"""`request` of services and providers: which stands over which, and what it may not set."""

from __future__ import annotations

from core.exchange.test_request_settings import with_request
from small_world import rule, rule_problem


def test_a_service_s_own_settings_stand_key_by_key_over_its_providers() -> None:
    to = with_request(
        "openai",
        "gpt-4o",
        "{defaults: {temperature: 0.1}, thinking: {effort: low}}",
        "{defaults: {temperature: 0.9, seed: 1}, system_prompt: All., extra_body: {a: 1}}",
    )
    assert to.settings is not None
    assert to.settings.defaults == {"temperature": 0.1, "seed": 1}
    assert (to.settings.system_prompt, to.settings.extra_body) == ("All.", {"a": 1})


def test_a_request_that_sets_nothing_is_none() -> None:
    (service,) = rule("services: [{provider: openai, model: m, request: {defaults: {}}}]").services
    assert service.settings is None


def test_what_is_the_requests_own_is_a_problem() -> None:
    request = "{extra_body: {stream: true}}"
    path, message = rule_problem(f"services: [{{provider: openai, model: m, request: {request}}}]")
    assert path == "rules[0].services[0].request.extra_body.stream"
    assert message.startswith("'stream' is the request's own")


def test_a_number_out_of_its_bounds_is_a_problem() -> None:
    request = "{defaults: {temperature: 3}}"
    path, _ = rule_problem(f"services: [{{provider: openai, model: m, request: {request}}}]")
    assert path == "rules[0].services[0].request.defaults.temperature"

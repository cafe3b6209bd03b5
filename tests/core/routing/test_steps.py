"""What holds of every step, whatever the event: the playbooks of dispatch tell the stories."""

from __future__ import annotations

from core.routing.playbook import House
from pilotfish.core.model.outcome import Outcome


def test_attempts_of_one_request_are_bounded_over_all_services() -> None:
    story = House("a b c", "retries: {max_attempts: 2, max_retries: 0}").request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 1) == "start 1 b"
    assert story.fails(1, Outcome.SERVER_ERROR, 2) == "answer 500 server_error"


def test_a_service_that_asked_to_be_left_alone_meanwhile_is_not_retried() -> None:
    house = House("a b")
    story = house.request()
    story.begins(0)
    assert story.fails(0, Outcome.SERVER_ERROR, 1).startswith("wake")
    house.happened("a", Outcome.RATE_LIMITED, 1, wait_s=60)
    assert story.wakes() == "start 1 b"


def test_the_client_gets_the_last_error_and_a_retry_after_only_where_it_helps() -> None:
    story = House("a", "retries: {max_retries: 0}").request()
    story.begins(0)
    assert story.fails(0, Outcome.NOT_FOUND, 1) == "answer 404 not_found"

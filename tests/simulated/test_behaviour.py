"""Faults as values."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pilotfish.simulated.behaviour import Fault


def test_a_fault_that_says_nothing_changes_nothing():
    fault = Fault.status(500, retry_after=3)
    assert Fault() | fault == fault | Fault() == fault


def test_nothing_is_said_where_nothing_was_given():
    assert {field.name: getattr(Fault(), field.name) for field in fields(Fault)} == dict.fromkeys(
        field.name for field in fields(Fault)
    )


def test_a_later_fault_takes_back_only_what_it_speaks_of():
    both = Fault.cut_at(66, "rst") | Fault.cut_at(50)
    assert (both.cut, both.cut_percent) == ("end", 50)
    both = Fault.refused_key() | Fault.delays(gap_s=0.0)
    assert (both.code, both.kind, both.gap_s) == (401, "key", 0.0)


@pytest.mark.parametrize(
    ("given", "written"),
    [(7, "7"), (0.5, "0.5"), ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT")],
)
def test_a_wait_is_written_as_it_was_given(given, written):
    assert Fault.status(429, retry_after=given).retry_after == written


def test_errors_of_a_kind_have_the_status_that_vendors_give_them():
    made = [Fault.refused_key(), Fault.missing_scope(), Fault.no_access(), Fault.context_length()]
    assert [(fault.code, fault.kind) for fault in made] == [
        (401, "key"),
        (403, "scope"),
        (403, "no_access"),
        (400, "context_length"),
    ]


def test_an_echo_of_all_headers_is_not_an_echo_of_none():
    assert Fault().echoed is None
    assert Fault.echo().echoed == ()
    assert Fault.echo("a", "b").echoed == ("a", "b")

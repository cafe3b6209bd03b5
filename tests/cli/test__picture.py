"""What `pilotfish top` draws: it fits, it says why, and it obeys nobody."""

import pytest

from browser.told import Told, decision, service
from pilotfish.cli._picture import HEAD, NAME, Paper, cut, picture

LONG = "accounts/somebody/models/a-model-whose-name-says-everything-about-it-405b-instruct-preview"


def drawn(services=None, recent=(), trouble="", rules=None, late=None, **paper):
    told = Told()
    status = {
        **told.status,
        "rules": {**told.rules, **(rules or {})},
        "services": told.services if services is None else services,
        "traffic": told.traffic,
        "late": late or told.late,
    }
    return picture(status, list(recent), "127.0.0.1:14001", Paper(**paper), trouble)


def test_what_a_client_or_vendor_says_is_nothing_that_a_terminal_obeys():
    evil = "\x1b[2J\x1b]0;taken\x07\nnext line\u202e"
    record = decision(1, model=evil)
    record["attempts"][0]["why"] = evil
    lines = drawn(
        [service(evil, evil, evil, state="cooling", reason=evil)],
        [record],
        rules={"sources": [evil]},
    )
    text = "".join(lines)
    assert text.isprintable()
    assert "taken" in text


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width):
    services = [service("chat", LONG, LONG, state="cooling"), service()]
    lines = drawn(services, [decision(1, model=LONG)], "gone " * 50, width=width)
    assert max(map(len, lines)) <= width


def test_where_it_is_narrow_the_service_and_its_state_stay_longest():
    heads = {
        width: next(line for line in drawn(width=width) if line.startswith("service")).split()
        for width in (24, 60, 90, 200)
    }
    assert heads[24] == ["service", "state"]
    assert heads[200] == list(HEAD)
    assert {"errors", "oldest", "flying", "ttft"} <= set(heads[60])
    assert len(heads[24]) < len(heads[60]) < len(heads[90]) < len(heads[200])


def test_at_eighty_columns_what_somebody_on_call_needs_is_there_and_the_rest_goes():
    services = [service("chat", "openai", "gpt-4o-2026-01-01"), service("chat", "claude", "sonnet")]
    head = next(line for line in drawn(services, width=80) if line.startswith("service")).split()
    assert head[:6] == ["service", "state", "errors", "oldest", "flying", "ttft"]
    assert not {"requests", "tokens"} & set(head)


def test_where_not_all_services_fit_those_that_are_out_come_first():
    services = [
        service("chat", "acme", f"model-{n}", state="cooling" if n == 40 else "serving")
        for n in range(50)
    ]
    lines = drawn(services, [decision(1)], width=120, rows=23)
    assert len(lines) <= 23
    assert lines[5].startswith("acme/model-40")
    assert lines[6] == "    rate_limited (status 429, asked to wait 30 s)"
    assert lines[7] == "    next trial in 29 s; step 1; rate_limited 1"
    assert any(line.startswith("...") and line.endswith("more services") for line in lines)
    assert any("-> other/small" in line for line in lines), "decisions have their place too"


def test_where_all_fit_they_stand_as_in_the_rules():
    services = [service(model="b"), service(model="a", state="cooling")]
    shown = [line for line in drawn(services, rows=40) if line.startswith("acme/")]
    assert [line.split()[0] for line in shown] == ["acme/b", "acme/a"]


def test_what_is_so_now_is_one_line():
    assert "12.4 requests/s, 3.1 % errors, ttft 290 / 810 ms, 843 tok/s, $4.61/h" in drawn()


def test_a_request_that_hangs_is_shown_before_it_ends():
    hangs = {
        "rule": "chat",
        "model": "gpt",
        "silent_s": 41.2,
        "attempts": [{"service": "acme/large", "waits_for": "its first content"}],
    }
    lines = drawn(late={"count": 9, "requests": [hangs] * 5})
    late = [line for line in lines if line.startswith("late: ")]
    said = "late: rule chat, gpt: silent for 41 s, waits on acme/large for its first content"
    assert late == [said] * 3 + ["late: 6 more"]
    waits = {**hangs, "attempts": []}
    assert drawn(late={"count": 1, "requests": [waits]})[3].endswith("waits on nobody")


def test_a_service_of_several_rules_is_one_row_with_all_of_them():
    services = [
        service("chat", outcomes={"served": 5, "timeout": 2}),
        service("batch", outcomes={"timeout": 1, "lost_race": 7}),
    ]
    (shown,) = [line.split() for line in drawn(services) if line.startswith("acme/large")]
    assert shown[2] == "3"
    assert "chat, batch" in " ".join(shown)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"state": "probing", "seconds_left": None, "trips": 2}, "    on trial; step 2"),
        ({"state": "cooling", "seconds_left": 0.0, "trips": 0}, "    trial due"),
        ({"state": "cooling", "seconds_left": 29.4, "step": 3}, "    next trial in 29 s; step 3"),
    ],
)
def test_the_way_back_is_said(more, said):
    assert said in drawn([service(outcomes={"served": 1}, **more)])


def test_a_service_that_is_switched_off_has_no_way_back():
    lines = drawn([service(active=False, reason="switched off in the rules", state="cooling")])
    assert not any("trial" in line for line in lines)


def test_a_decision_says_its_rule_and_why_each_service_was_asked_or_not():
    lines = drawn(recent=[decision(1)])
    at = lines.index("recent decisions") + 1
    assert (
        lines[at]
        == "00:00:06 200 gpt-4o -> other/small, 1025 ms; rule chat: request_model glob 'gpt-*' matches"
    )
    assert lines[at + 1] == "    smart routing: block 0 (long) matched: token ge '60000'"
    assert (
        lines[at + 2]
        == "    third/medium: server_error, 120 ms (by adaptive, among third/medium, other/small (tier 0))"
    )
    assert lines[at + 3].startswith("      not acme/large: cooling until")


def test_a_hedge_a_rescue_and_a_forced_attempt_are_called_that():
    record = decision(1)
    record["attempts"] = [
        {"service": "a/m", "outcome": "served", "duration_ms": 7.2, kind: True}
        for kind in ("hedge", "rescue", "forced")
    ]
    shown = [line for line in drawn(recent=[record]) if "a/m" in line]
    assert shown == [
        "    a/m: served, 7 ms, hedge",
        "    a/m: served, 7 ms, rescue",
        "    a/m: served, 7 ms, forced",
    ]


def test_a_request_that_nobody_took_says_so():
    record = {
        "time": "2026-01-01T00:00:06.250Z",
        "path": "/v1/chat/completions",
        "code": 404,
        "reason": "model_not_found",
        "rule": None,
    }
    lines = drawn(recent=[{**record, "service": None, "attempts": []}])
    assert lines[-1] == "00:00:06 404 /v1/chat/completions -> nobody, model_not_found"
    out = {"service": "acme/large", "why": "cooling"}
    lines = drawn(
        recent=[decision(1, code=503, attempts=[], why={"rule": "because", "none_usable": [out]})]
    )
    assert lines[-1] == "    not usable: acme/large: cooling"


def test_keys_that_are_out_are_named_by_where_they_come_from():
    keys = [
        {"source": "secret a/b", "state": "cooling", "reason": "auth_failed (status 401)"},
        {"source": "", "state": "serving", "reason": None},
    ]
    assert "    1 of 2 keys out: secret a/b auth_failed (status 401)" in drawn(
        [service(credentials=keys)]
    )


def test_many_problems_leave_room_for_the_rest():
    problems = [{"source": "f", "path": f"rules[{n}]", "message": "bad"} for n in range(40)]
    lines = drawn(rules={"problems": problems}, rows=20)
    assert lines[3:7] == [f"problem: f: rules[{n}]: bad" for n in range(3)] + [
        "37 more problems: see /status"
    ]
    assert any(line.startswith("acme/large") for line in lines)
    assert (
        len([line for line in drawn(rules={"problems": problems}) if line.startswith("problem")])
        == 40
    )


def test_before_there_are_services_it_says_so():
    assert "no service yet" in drawn([])


def test_races_are_counted():
    told = Told()
    told.status["races"] = [
        {
            "virtual_model": "fastest",
            "services": [{"service": "a/m", "wins": 3.5, "losses": 1, "score": 0.7}],
        }
    ]
    lines = picture(
        {
            **told.status,
            "rules": told.rules,
            "services": told.services,
            "traffic": told.traffic,
            "late": told.late,
        },
        [],
        "here:1",
        Paper(),
    )
    assert lines[-1] == "race fastest: a/m won 3.5 lost 1"


def test_trouble_comes_first():
    assert drawn(trouble="nobody answers")[0] == "nobody answers"


def test_a_name_is_cut_in_its_middle():
    assert cut("short", NAME) == "short"
    assert cut("provider/model-70b", 12) == "prov...l-70b"
    assert len(cut(LONG, 13)) == 13

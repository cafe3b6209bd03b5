"""Which tool a configuration belongs to."""

from __future__ import annotations

import pytest

from pilotfish.core.rules.importing import Known, imported

NOTHING = Known({}, {})


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_what_holds_no_settings_is_refused(data):
    with pytest.raises(ValueError, match="expected an object with settings"):
        imported(data, NOTHING)


def test_a_configuration_of_neither_tool_names_what_was_found():
    with pytest.raises(
        ValueError, match=r"neither a LiteLLM config\.yaml .* found 'server', 'port'"
    ):
        imported({"server": 1, "port": 2}, NOTHING)
    with pytest.raises(ValueError, match="found nothing"):
        imported({}, NOTHING)


def test_an_empty_configuration_gives_an_empty_rules_file():
    assert imported({"rules": []}, NOTHING).rules == {}
    assert imported({"model_list": None}, Known({}, {"random": frozenset()})).rules == {
        "providers": {},
        "rules": [],
    }

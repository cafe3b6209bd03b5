"""Names of dropped fields as labels."""

import pytest

from pilotfish.telemetry.dropped_fields import DROPPABLE, field_label
from pilotfish.telemetry.series import OTHER


@pytest.mark.parametrize("name", ["", "x" * 300, "made_up", "made.up", "user_id", "[0]", ".user"])
def test_a_name_that_a_client_made_up_is_other(name):
    assert field_label(name) == OTHER


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("logit_bias", "logit_bias"),
        ("messages.image.detail", "messages.image.detail"),
        ("messages.made_up", "messages"),
        ("messages[3].made_up", "messages"),
        ("tools[0]", "tools"),
        ("metadata.customer-7", "metadata"),
    ],
)
def test_a_known_field_is_itself_and_what_lies_in_it_is_its_own(name, label):
    assert field_label(name) == label


def test_names_are_few_and_none_is_another_ones_case():
    assert len(DROPPABLE) < 150
    assert len({name.lower().replace("_", "") for name in DROPPABLE}) > 0.8 * len(DROPPABLE)
    assert OTHER not in DROPPABLE

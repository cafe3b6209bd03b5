"""Quantities are compared as numbers and kept as they were written."""

from decimal import Decimal

import pytest

from pilotfish.injector.patch.quantity import Bounds, Totals, amount


@pytest.mark.parametrize(
    "text", ["", "lots", "-1", "1x", "Mi", "1 Gi", "1e", "0x10", None, "1e999", "9" * 40]
)
def test_what_is_no_quantity_is_none(text):
    assert amount(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("128Mi", 128 * 2**20),
        ("1k", 1000),
        ("2e3", 2000),
        ("1E", 10**18),
        (2, 2),
    ],
)
def test_the_forms_of_the_reference(text, number):
    assert amount(text) == Decimal(number)


def limit_range(**item):
    return [
        {
            "spec": {
                "limits": [
                    {"type": "PersistentVolumeClaim", "max": {"cpu": "1m"}},
                    {"type": "Container", **item},
                ]
            }
        }
    ]


def test_no_limit_range_changes_nothing():
    assert Bounds("50m", "2").fitted("cpu", []) == Bounds("50m", "2")
    assert Bounds("50m", "2").fitted("cpu", [{"spec": None}, {}, *limit_range()]) == Bounds(
        "50m", "2"
    )


def test_a_maximum_lowers_limit_and_request():
    assert Bounds("200m", "2").fitted("cpu", limit_range(max={"cpu": "100m"})) == Bounds(
        "100m", "100m"
    )


def test_a_minimum_lifts_request_and_limit():
    assert Bounds("64Mi", "96Mi").fitted("memory", limit_range(min={"memory": "128Mi"})) == Bounds(
        "128Mi", "128Mi"
    )


def test_a_ratio_lowers_the_limit_since_a_larger_request_would_cost_room_on_the_node():
    assert Bounds("50m", "2").fitted(
        "cpu", limit_range(maxLimitRequestRatio={"cpu": "4"})
    ) == Bounds("50m", "200m")
    assert Bounds("64Mi", "1Gi").fitted(
        "memory", limit_range(maxLimitRequestRatio={"memory": 2})
    ) == Bounds("64Mi", "128Mi")


def test_a_limit_range_with_nonsense_in_it_is_passed_over():
    assert Bounds("50m", "2").fitted("cpu", limit_range(max={"cpu": "much"}, min=None)) == Bounds(
        "50m", "2"
    )


def test_a_pod_that_only_asks_sets_no_limit_to_ours():
    own, taken = Bounds("50m", "2"), Totals(requests=Decimal("0.040"))
    assert own.within_pod("cpu", {"requests": {"cpu": "60m"}}, taken) == Bounds("20m", "2")
    assert own.within_pod("cpu", {"requests": {"memory": "1Gi"}}, Totals()) == own


def of_pods(**limits):
    return [{"spec": {"limits": [{"type": "Pod", **limits}]}}]


def test_a_range_for_whole_pods_leaves_what_the_others_have_not_taken():
    taken = Totals(requests=Decimal("1.9"), limits=Decimal("1.5"))
    own = Bounds("200m", "2").fitted("cpu", of_pods(max={"cpu": "2"}), taken)
    assert own == Bounds("100m", "500m")


def test_a_range_for_whole_pods_that_is_used_up_leaves_nothing():
    taken = Totals(limits=Decimal(2))
    assert Bounds("50m", "2").fitted("cpu", of_pods(max={"cpu": "2"}), taken).limit == "0m"


def test_a_ratio_for_whole_pods_counts_everything_together():
    """Requests of 150m allow 600m in all, of which 400m are taken."""
    taken = Totals(requests=Decimal("0.1"), limits=Decimal("0.4"))
    ratio = of_pods(maxLimitRequestRatio={"cpu": "4"})
    assert Bounds("50m", "2").fitted("cpu", ratio, taken) == Bounds("50m", "200m")


def test_a_minimum_for_whole_pods_is_met_by_whoever_is_there_already():
    assert Bounds("50m", "2").fitted("cpu", of_pods(min={"cpu": "1"})) == Bounds("50m", "2")

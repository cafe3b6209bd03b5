"""Plain numbers by their labels."""

import pytest

from pilotfish.telemetry import series as s
from pilotfish.telemetry.registry import Histogram, Registry


def test_a_series_of_another_catalogue_is_not_found():
    """The proxy counts no injections; a series that is not in the registry is a mistake."""
    with pytest.raises(KeyError, match="pilotfish_injections_total"):
        Registry()[s.INJECTIONS]
    assert Registry(s.INJECTOR_ONLY)[s.INJECTIONS].series is s.INJECTIONS


def test_the_same_labels_are_the_same_child():
    registry = Registry()
    for kind, series in (
        ("counter", s.RETRIES),
        ("gauge", s.IN_FLIGHT),
        ("histogram", s.OVERHEADS),
    ):
        of = getattr(registry[series], kind)
        assert of("a") is of("a")
        assert of("a") is not of("b")
        assert set(registry[series].children) == {("a",), ("b",)}


def test_a_counter_adds_up_and_a_gauge_holds_the_last_value():
    registry = Registry()
    counter, gauge = registry[s.RETRIES].counter("a"), registry[s.IN_FLIGHT].gauge("a")
    for value in (1.0, 2.5):
        counter.inc(value)
        gauge.set(value)
    assert (counter.value, gauge.value) == (3.5, 2.5)


def test_a_bound_belongs_to_its_bucket_and_what_is_above_all_bounds_to_the_last():
    histogram = Histogram((1.0, 2.0))
    for value in (0.0, 1.0, 1.1, 2.0, 2.1, float("inf")):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 2]
    assert histogram.exemplars == {}


def test_a_bucket_remembers_its_last_trace():
    histogram = Histogram((1.0, 2.0))
    for value, trace_id in ((0.5, "a"), (0.6, "b"), (3.0, "c")):
        histogram.observe_traced(value, trace_id, 100.0 + value)
    assert histogram.exemplars == {0: ("b", 0.6, 100.6), 2: ("c", 3.0, 103.0)}
    assert (histogram.counts, histogram.total) == ([2, 0, 1], pytest.approx(4.1))


def test_children_that_are_not_wanted_any_more_go_and_begin_at_nothing_if_they_come_back():
    registry = Registry()
    registry[s.RETRIES].counter("gone").inc(7)
    kept = registry[s.RETRIES].counter("kept")
    registry[s.RETRIES].keep(lambda at: at == ("kept",))
    assert registry[s.RETRIES].children == {("kept",): kept}
    assert registry[s.RETRIES].counter("gone").value == 0


def told(detail):
    registry = Registry((s.RETRIES, s.SERVICE_STATE, s.OVERHEADS, s.CALL_DURATION), detail=detail)
    for rule, value in (("never", 0.0), ("once", 1.0)):
        registry[s.RETRIES].counter(rule).inc(value)
        registry[s.SERVICE_STATE].gauge("p", "m", rule).set(value)
    for series in (s.OVERHEADS, s.CALL_DURATION):
        registry[series].histogram("never")
        registry[series].histogram("once").observe(0.0)
    return {series.name: [at[-1] for at, _ in children] for series, children in registry.shown()}


def test_all_series_are_told_unless_less_is_asked_for():
    both = ["never", "once"]
    assert set(map(tuple, told("full").values())) == {tuple(both)}


def test_of_what_never_counted_only_gauges_are_told():
    """0 is an answer there: rules that were refused, a service that is not in this state."""
    found = told("used")
    assert found.pop("pilotfish_service_state") == ["never", "once"]
    assert set(map(tuple, found.values())) == {("once",)}
    assert len(found) == 3


def test_little_is_told_without_the_detailed_histograms():
    assert set(told("small")) == {
        "pilotfish_retries_total",
        "pilotfish_service_state",
        "gen_ai_client_operation_duration_seconds",
    }

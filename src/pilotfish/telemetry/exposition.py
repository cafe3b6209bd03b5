"""Metrics as text for Prometheus, in its own format or as OpenMetrics (with exemplars).

Written out by hand rather than by the client library: a proxy with 50 services has thousands of
samples, and serves requests on the same thread. The text comes in pieces, so that who writes it can
let requests pass in between.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilotfish.telemetry.registry import Family, Histogram, Registry

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# About a quarter of a millisecond's work.
CHILDREN_A_PIECE = 24


def exposition(registry: Registry, *, openmetrics: bool = False) -> Iterator[str]:
    """Every family with its samples, in pieces."""
    for prepare in registry.before_scrape:
        prepare()
    for family in registry.families.values():
        yield from _family(family, openmetrics)
    for figure in registry.figures():
        yield f"{_head(figure.name, figure.kind, figure.text, openmetrics)}{figure.name} {figure.value!r}\n"
    if openmetrics:
        yield "# EOF\n"


def escaped(value: str) -> str:
    """A label's value between its quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _head(name: str, kind: str, text: str, openmetrics: bool) -> str:
    if openmetrics and kind == "counter":
        name = name.removesuffix("_total")
    return f"# HELP {name} {escaped(text) if openmetrics else text}\n# TYPE {name} {kind}\n"


def _family(family: Family, openmetrics: bool) -> Iterator[str]:
    name, kind, labels, text, bounds = family.series
    lines = [_head(name, kind, text, openmetrics)]
    les = [*map(repr, bounds), "+Inf"]
    for n, (values, child) in enumerate(list(family.children.items())):
        at = ",".join(
            [f'{label}="{escaped(value)}"' for label, value in zip(labels, values, strict=True)]
        )
        if kind == "histogram":
            _histogram(name, at, les, child, openmetrics, lines)
        else:
            lines.append(f"{name}{{{at}}} {child.value!r}\n" if at else f"{name} {child.value!r}\n")
        if n % CHILDREN_A_PIECE == CHILDREN_A_PIECE - 1:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


def _histogram(
    name: str, at: str, les: list[str], child: Histogram, openmetrics: bool, lines: list[str]
) -> None:
    start = f'{name}_bucket{{{at},le="' if at else f'{name}_bucket{{le="'
    total = 0
    exemplars = child.exemplars if openmetrics else None
    for i, le in enumerate(les):
        total += child.counts[i]
        if exemplars and i in exemplars:
            trace_id, value, wall = exemplars[i]
            lines.append(
                f'{start}{le}"}} {total} # {{trace_id="{trace_id}"}} {value!r} {wall:.3f}\n'
            )
        else:
            lines.append(f'{start}{le}"}} {total}\n')
    braced = f"{{{at}}}" if at else ""
    lines.append(f"{name}_count{braced} {total}\n{name}_sum{braced} {child.total!r}\n")

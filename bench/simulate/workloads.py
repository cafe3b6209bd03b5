"""The workloads of the simulation."""

from __future__ import annotations

from dataclasses import dataclass

from bench.simulate.vendors import Vendor

from pilotfish.core.model.service import Price

CHEAP, USUAL, DEAR = Price(0.2, 0.8), Price(1.0, 4.0), Price(3.0, 15.0)

# The two fastest have a limit of 120 requests per minute, which only one of them reports.
LIMITED = (
    Vendor("a", 0.20, per_minute=120, limit_headers=True),
    Vendor("b", 0.25, per_minute=120, price=CHEAP),
    Vendor("c", 0.40),
    Vendor("d", 0.45),
)


@dataclass(frozen=True)
class Workload:
    """Traffic for `seconds`: `rate` requests per second in all, over `proxies` proxies that share
    nothing, with `output_tokens` tokens per answer on average.
    """

    name: str
    vendors: tuple[Vendor, ...]
    rate: float = 20.0
    seconds: float = 300.0
    proxies: int = 4
    output_tokens: int = 150


WORKLOADS = (
    Workload(
        "steady",
        (
            Vendor("a", 0.30, price=DEAR),
            Vendor("b", 0.35, price=USUAL),
            Vendor("c", 0.45, price=CHEAP),
            Vendor("d", 0.60, 50, price=CHEAP),
        ),
    ),
    Workload(  # the two fastest become 20 times slower, one after the other and once both at a time
        "brown-out",
        (
            Vendor("a", 0.30, brownouts=((60, 120, 20), (200, 230, 20)), price=DEAR),
            Vendor("b", 0.32, brownouts=((140, 170, 20), (210, 240, 20)), price=USUAL),
            Vendor("c", 0.36, price=USUAL),
            Vendor("d", 0.40, price=CHEAP),
        ),
    ),
    Workload(
        "flapping",
        (
            Vendor("a", 0.30, flapping=(30, 15), price=CHEAP),
            Vendor("b", 0.32, flapping=(50, 5)),
            Vendor("c", 0.36),
            Vendor("d", 0.40, price=DEAR),
        ),
    ),
    Workload("rate limits", LIMITED, proxies=1),
    Workload("rate limits, four proxies", LIMITED),
    Workload(  # near the capacity: if all requests go to the fastest, it becomes the slowest
        "crowded",
        (
            Vendor("a", 0.30, capacity=20),
            Vendor("b", 0.35, capacity=20),
            Vendor("c", 0.40, capacity=20),
            Vendor("d", 0.45, capacity=20),
        ),
        rate=40.0,
    ),
    Workload(  # serverless: a cold start after half a minute without requests
        "cold starts",
        (
            Vendor("a", 0.25, cold_after_s=30, cold_s=8.0),
            Vendor("b", 0.30, cold_after_s=30, cold_s=8.0),
            Vendor("c", 0.50),
            Vendor("d", 0.55),
        ),
        rate=10.0,
    ),
)

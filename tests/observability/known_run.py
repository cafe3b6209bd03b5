"""Lets the story happen: two proxies, an injector and four vendors, and a real Prometheus that
looks at them four times a second.

The first request of some kinds comes before Prometheus looks for the first time: what makes its
series when it happens (a status that is rare, a field that is dropped) is no increase the first
time. All that counts happens after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness import Process, launched, process, until
from kube.fake_api import BREAK, FakeApi, fake_api
from observability import story
from observability.prometheus import Prometheus, scraping
from pilotfish import __version__
from pilotfish.simulated import Fault, SimulatedVendor
from pilotfish.telemetry import series as s
from pilotfish.telemetry.exposition import exposition
from pilotfish.telemetry.registry import Registry

MAPS = "/api/v1/namespaces/bank/configmaps"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# How often at least, and how long, the machine takes its CPU away from web-1: for 2 % of its timers,
# so that the 99th percentile is one of them however long the run takes.
STOPS, STOPPED_S, STOPPED_SHARE = 5, 1.6, 0.02
INJECTED, UNINJECTED, OUTDATED, CERTIFICATE_S = 3, 2, 1, 7200.0
PROBLEMS = 2  # in the edit that web-2 refuses
SCRAPED = 3  # that Prometheus looks at
WEB_1, WEB_2 = '{namespace="shop",pod="web-1"}', '{namespace="bank",pod="web-2"}'


@dataclass
class Measured:
    """What the test itself saw of the run: bounds for what the story leaves open. Times are Unix
    times.
    """

    at: float = 0.0  # of the last scrape of web-1: where all questions are asked
    began: float = 0.0
    tripped: float = 0.0  # `out` cooled no earlier
    edited: tuple[float, float] = (0.0, 0.0)  # the rules of web-1 changed in between
    expires: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    # By pod, as the kernel told before Prometheus looked for the first time, after it, before it
    # looked for the last time, and after it.
    resident: dict[str, list[float]] = field(default_factory=dict)  # bytes
    cpu_s: dict[str, list[float]] = field(default_factory=dict)
    open_files: dict[str, list[float]] = field(default_factory=dict)
    late_timers: int = 0  # that web-2 measured, which nobody stopped: of 0.1 s and more


class Known:
    """The run while it goes on."""

    def __init__(
        self,
        vendors: dict[str, SimulatedVendor],
        web_1: Process,
        web_2: Process,
        api: FakeApi,
        rules: Path,
    ) -> None:
        self.vendors, self.web_1, self.web_2, self.api, self.rules = (
            vendors,
            web_1,
            web_2,
            api,
            rules,
        )
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=100)
        )
        self.registry = injector_meters()
        self.measured = Measured(
            began=time.time(), expires=self.registry[s.CERTIFICATE_EXPIRY].gauge().value
        )
        self.held: asyncio.Task[Any] | None = None

    @property
    def bases(self) -> dict[str, str]:
        return {name: vendor.base for name, vendor in self.vendors.items()}

    async def ask(self, rule: str, *, stream: bool = False, **more: object) -> int:
        headers = {
            "content-type": "application/json",
            "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
        }
        data = story.body(rule, stream=stream, **more)
        async with self.http.post(
            f"{self.web_1.base}/v1/chat/completions", data=data, headers=headers
        ) as answer:
            await answer.read()
            return answer.status

    async def status(self, of: Process) -> dict[str, Any]:
        async with self.http.get(f"{of.admin}/status") as answer:
            rules: dict[str, Any] = (await answer.json())["rules"]
            return rules

    # ---- the story

    async def before(self) -> None:
        """What is not to be seen as an increase."""
        self.measured.tripped = time.time()
        assert [await self.ask(rule) for rule in ("out", "busy", "lone", "nobody", "quick")] == [
            502,
            429,
            500,
            404,
            200,
        ]
        assert await self.ask("fields", logit_bias={"1": 2}) == 200

    async def traffic(self) -> None:
        at_once = [
            self.ask(rule, stream=True)
            for rule, count in story.STREAMED.items()
            for _ in range(count)
        ]
        at_once += [self.ask("best") for _ in range(story.BEST)]
        at_once += [self.ask("fields", logit_bias={"1": 2}) for _ in range(story.FIELDS)]
        assert set(await asyncio.gather(*at_once)) == {200}
        assert {await self.ask("tight") for _ in range(story.TIGHT)} == {200}
        assert {await self.ask("lone") for _ in range(story.LONE)} == {500}
        assert {await self.ask("nobody") for _ in range(story.UNKNOWN)} == {404}
        # Cooling, and the only one there is: asked all the same.
        assert await self.ask("out") == 502
        assert await self.ask("busy") == 429
        self.registry[s.INJECTIONS].counter("injected", "native").inc(INJECTED)
        self.registry[s.INJECTIONS].counter("failed", "internal").inc()

    async def one_leaves_and_one_stays(self, gate: asyncio.Event) -> None:
        """The vendor holds both answers in their middle. Half of 20 words is read before the client
        leaves.
        """
        self.vendors["d"].always(Fault.hold(gate, percent=50))
        async with aiohttp.ClientSession() as http:
            data = story.body("gone", stream=True)
            answer = await http.post(
                f"{self.web_1.base}/v1/chat/completions",
                data=data,
                headers={"content-type": "application/json"},
            )
            said = b""
            while b"and " not in said:
                said += await answer.content.readany()
            answer.close()
        await self.vendors["d"].until_cancelled()
        self.held = asyncio.create_task(self.ask("held", stream=True))
        await self.vendors["d"].until_requests(2)

    async def edits(self) -> None:
        """Of web-1 one that is good. Of web-2 its watch breaks, an edit has two problems, and then
        the API server is away.
        """
        old, before = (await self.status(self.web_1))["version"], time.time()
        self.rules.write_text(story.rules(self.bases, "answers within seconds"))

        async def changed() -> bool:
            return (await self.status(self.web_1))["version"] != old

        await until(changed, timeout_s=30)
        self.measured.edited = (before, time.time())
        self.api.send(BREAK)
        await self.api.until(lambda: not self.api.watching.is_set())
        await self.api.watching.wait()
        self.api.put(
            MAPS,
            "rules",
            data={"rules.yaml": story.idle_rules(self.bases)[:-1] + ', "wheels": 4, "doors": 2}'},
        )

        async def refused() -> bool:
            return len((await self.status(self.web_2))["problems"]) == PROBLEMS

        await until(refused, timeout_s=30)
        self.api.refuse_all = 503
        self.api.send(BREAK)
        for pod, proxy in (("web-1", self.web_1), ("web-2", self.web_2)):
            self.measured.versions[pod] = (await self.status(proxy))["version"]

    async def the_machine_is_busy(self) -> None:
        """A process that is stopped is one whose timers are late: web-1 measures one of them each
        time.
        """
        stops = 0
        while stops < STOPS or stops < STOPPED_SHARE * (await self.timers(self.web_1))[0]:
            stops += 1
            self.web_1.child.send_signal(signal.SIGSTOP)
            end = time.monotonic() + STOPPED_S
            await until(lambda end=end: time.monotonic() >= end)
            self.web_1.child.send_signal(signal.SIGCONT)
            # Until it has measured again, the next stop would be the same lateness.
            await self.status(self.web_1)
            end = time.monotonic() + 0.6
            await until(lambda end=end: time.monotonic() >= end)

    async def timers(self, of: Process) -> tuple[float, float]:
        """How many timers the proxy has measured, and how many of them were as late as the alert
        asks for."""
        async with self.http.get(f"{of.admin}/metrics") as answer:
            page = (await answer.text()).splitlines()
        name = "pilotfish_event_loop_lag_seconds"
        total, in_time = (
            float(next(line for line in page if line.startswith(start)).split()[-1])
            for start in (f"{name}_count", f'{name}_bucket{{le="0.1"}}')
        )
        return total, total - in_time

    def look(self) -> None:
        """What the kernel says of the processes; the same that they are to say of themselves."""
        for pod, proxy in (("web-1", self.web_1), ("web-2", self.web_2)):
            process = Path(f"/proc/{proxy.child.pid}")
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            self.measured.resident.setdefault(pod, []).append(
                int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            )
            self.measured.cpu_s.setdefault(pod, []).append(
                (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            )
            self.measured.open_files.setdefault(pod, []).append(
                len(list((process / "fd").iterdir()))
            )


def injector_meters() -> Registry:
    """As an injector's: all that it counts is there from its start."""
    registry = Registry((*s.INJECTOR_ONLY, s.BUILD_INFO))
    registry[s.BUILD_INFO].gauge(__version__).set(1)
    for result, reason in (("injected", "native"), ("failed", "internal")):
        registry[s.INJECTIONS].counter(result, reason)
    registry[s.UNINJECTED].gauge().set(UNINJECTED)
    registry[s.OUTDATED].gauge().set(OUTDATED)
    registry[s.CERTIFICATE_EXPIRY].gauge().set(time.time() + CERTIFICATE_S)
    return registry


def exporter(registry: Registry) -> web.Application:
    async def metrics(request: web.Request) -> web.Response:
        body, content_type = await exposition(registry, accept=request.headers.get("accept", ""))
        return web.Response(body=body, headers={"content-type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app


@asynccontextmanager
async def known_run(folder: Path, rules: list[Path]) -> AsyncIterator[tuple[Prometheus, Measured]]:
    """The story is over but for the request that is held, and Prometheus has seen all of it.
    `rules`: files of recording rules and alerts.
    """
    gate = asyncio.Event()
    async with AsyncExitStack() as stack:
        vendors = {
            name: await stack.enter_async_context(vendor)
            for name, vendor in story.vendors().items()
        }
        bases = {name: vendor.base for name, vendor in vendors.items()}
        api = await stack.enter_async_context(fake_api())
        api.put(MAPS, "rules", data={"rules.yaml": story.idle_rules(bases)})
        (folder / "prometheus").mkdir()
        # It has more services than are told in full by default.
        quiet = {"PILOTFISH_ACCESS_LOG_SAMPLE": "0", "PILOTFISH_METRICS_DETAIL": "full"}
        web_1 = await stack.enter_async_context(
            process(folder, story.rules(bases), program="observability.unexploring", **quiet)
        )
        cluster = {"KUBECONFIG": api.write_kubeconfig(folder), "PILOTFISH_NAMESPACE": "bank"}
        web_2 = await stack.enter_async_context(
            launched("--configmaps", "bank/rules", **cluster, **quiet)
        )
        known = Known(vendors, web_1, web_2, api, folder / "rules.yaml")
        stack.push_async_callback(known.http.close)
        injector = await stack.enter_async_context(TestServer(exporter(known.registry)))
        await api.watching.wait()
        await known.before()
        targets = {
            web_1.admin.removeprefix("http://"): {
                "namespace": "shop",
                "pod": "web-1",
                "workload": "web",
            },
            web_2.admin.removeprefix("http://"): {
                "namespace": "bank",
                "pod": "web-2",
                "workload": "teller",
            },
            f"127.0.0.1:{injector.port}": {"namespace": "pilotfish", "pod": "injector-1"},
        }
        known.look()
        prometheus = await stack.enter_async_context(
            scraping(folder / "prometheus", targets, rules)
        )
        await prometheus.until("count(pilotfish_build_info)", SCRAPED)
        known.look()
        await known.traffic()
        await known.one_leaves_and_one_stays(gate)
        await known.edits()
        await known.the_machine_is_busy()
        await all_of_it_is_seen(prometheus)
        known.look()
        known.measured.late_timers = int((await known.timers(web_2))[1])
        known.measured.at = await prometheus.moment(SCRAPED)
        known.look()
        try:
            yield prometheus, known.measured
        finally:
            gate.set()
            if known.held is not None:
                with contextlib.suppress(aiohttp.ClientError):
                    await known.held


async def all_of_it_is_seen(prometheus: Prometheus) -> None:
    # Before Prometheus looked there were six requests; one had no service, one had two attempts.
    await prometheus.until(f"sum(pilotfish_requests_total{WEB_1})", sum(story.CODES.values()) + 6)
    await prometheus.until(f"sum(pilotfish_requests_in_flight{WEB_1})", 1)
    await prometheus.until(f"sum(pilotfish_attempts_total{WEB_1})", attempts() + 6)
    await prometheus.until(f"pilotfish_config_source_connected{WEB_2}", 0)
    await prometheus.until("sum(pilotfish_injections_total)", INJECTED + 1)
    late = "pilotfish_event_loop_lag_seconds_bucket{pod='web-1',le='%s'}"
    await prometheus.until(f"{late % '+Inf'} - ignoring (le) {late % '1.0'}", STOPS, at_least=True)


def attempts() -> int:
    """Of the story; those in the races and hedges that nobody waited for are among them."""
    served = sum(count for count, _ in story.SERVED.values())
    failed = sum(count for _, count in story.FAILED.values())
    return served + failed + story.RACE + story.HEDGE + 1

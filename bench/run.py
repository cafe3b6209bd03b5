"""How fast is the proxy? One table: each question asked of a direct connection, nginx (where it is
installed) and Pilotfish, in turns.

Needs a C compiler for the vendor and the load (bench/native). Everything is on 127.0.0.1; the
gateway on one core, vendor and load on another. Only ratios within one run mean anything: see
bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from gateways import (
    Make,
    described,
    free_port,
    known,
)  # a script's own folder, which no installed package is in

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Question:
    name: str
    about: str
    connections: int
    chunks: int = 0
    gap_us: int = 0
    prompt: int = 300


QUESTIONS = (
    Question("A", "1 connection, whole answers", 1),
    Question("B", "64 connections, whole answers", 64),
    Question("P", "64 connections, prompts of 32 KB", 64, prompt=32 * 1024),
    Question("C", "32 streams of 200 chunks, as fast as they go", 32, chunks=200),
    Question("D", "200 streams, a chunk every 20 ms", 200, chunks=50, gap_us=20_000),
)


@dataclass
class Figures:
    """Of one gateway: for each question the load's own figures of every round, with `cpu_us` of the
    gateway and its `made` connections.
    """

    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    idle_mib: float = 0.0
    after_mib: float = 0.0

    def median(self, question: str, of: Any) -> float:
        return statistics.median(of(r) for r in self.rounds[question])


def build(into: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        sys.exit(
            "bench: no C compiler (cc, gcc or clang): the vendor and the load are in C, so that they are not what is measured"
        )
    into.mkdir(exist_ok=True)
    for name in ("vendor", "load"):
        source, program = HERE / "native" / f"{name}.c", into / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run([compiler, "-O2", "-o", program, source], check=True)


@contextmanager
def running(command: list[str], core: int, port: int, **more: Any) -> Any:
    """A process on that core, once it listens on the port."""

    def pin() -> None:
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {core})

    with subprocess.Popen(command, preexec_fn=pin, stdout=subprocess.DEVNULL, **more) as process:
        try:
            until = time.monotonic() + 20
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"bench: {command[0]} does not listen on port {port}")
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()


def cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS


def resident_mib(pid: int) -> float:
    line = next(
        x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def made(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/made", timeout=10) as answer:
        return int(answer.read())


def ask(
    question: Question, make: Make | None, figures: Figures, programs: Path, seconds: float
) -> None:
    """One round: a fresh vendor and a fresh gateway, so that nobody inherits another's
    connections.
    """
    upstream = free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="pilotfish-bench-")))
        stack.enter_context(
            running(
                [
                    str(programs / "vendor"),
                    str(upstream),
                    str(question.chunks),
                    str(question.gap_us),
                ],
                1,
                upstream,
            )
        )
        pid, port = 0, upstream
        if make is not None:
            command, environment, port = make(upstream, folder)
            gateway = stack.enter_context(
                running(command, 0, port, env={**os.environ, **environment})
            )
            pid = gateway.pid
            load(programs, port, question, 0.5)  # warm: code paths, connections
        before = made(upstream)
        idle = resident_mib(pid) if pid else 0.0
        used = cpu_s(pid) if pid else 0.0
        result = load(programs, port, question, seconds)
        if pid:
            result["cpu_us"] = (cpu_s(pid) - used) * 1e6
            figures.idle_mib, figures.after_mib = (
                figures.idle_mib or idle,
                max(figures.after_mib, resident_mib(pid)),
            )
        result["made"] = made(upstream) - before - 1
    if result["errors"] or not result["answers"]:
        sys.exit(f"bench: {question.name}: {result['errors']} wrong answers of {result['answers']}")
    figures.rounds.setdefault(question.name, []).append(result)


def load(programs: Path, port: int, question: Question, seconds: float) -> dict[str, Any]:
    pin = ["taskset", "-c", "1"] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else []
    numbers = (
        port,
        question.connections,
        max(seconds, 1.5 if question.gap_us else 0),
        question.chunks,
        question.prompt,
    )
    done = subprocess.run(
        [*pin, str(programs / "load"), *map(str, numbers)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"bench: {question.name}: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def table(all_figures: dict[str, Figures]) -> str:
    """Markdown. Times are added to those of the direct connection; in brackets the ratio to nginx,
    where there is one.
    """
    names = list(all_figures)
    rows: list[list[str]] = []
    direct, base = all_figures["direct"], all_figures.get("nginx")

    def row(
        about: str,
        question: str,
        of: Any,
        *,
        form: str = "{:,.0f}",
        added: bool = False,
        own: bool = False,
    ) -> None:
        children = []
        for name, figures in all_figures.items():
            if name == "direct" and own:
                children.append("-")
                continue
            value = figures.median(question, of) - (direct.median(question, of) if added else 0)
            text = form.format(value)
            if base is not None and name not in ("direct", "nginx"):
                against = base.median(question, of) - (direct.median(question, of) if added else 0)
                text += f" ({value / against:.2f}x)" if against > 0 else ""
            children.append(text)
        rows.append([about, *children])

    per_answer, per_event = (
        (lambda r: r["cpu_us"] / r["answers"]),
        (lambda r: r["cpu_us"] / r["events"]),
    )
    row("A: added latency p50, µs", "A", lambda r: r["latency_p50"], added=True)
    row("A: added latency p99, µs", "A", lambda r: r["latency_p99"], added=True)
    row("B: requests/s", "B", lambda r: r["answers"] / r["seconds"])
    row("B: CPU per request, µs", "B", per_answer, form="{:.1f}", own=True)
    row(
        "B: upstream connections made per 10,000 requests",
        "B",
        lambda r: r["made"] * 1e4 / r["answers"],
        form="{:.1f}",
        own=True,
    )
    row("P: CPU per request with 32 KB, µs", "P", per_answer, form="{:.1f}", own=True)
    row("C: chunks/s", "C", lambda r: r["events"] / r["seconds"])
    row("C: CPU per chunk, µs", "C", per_event, form="{:.2f}", own=True)
    row("C: time to first chunk p50, µs", "C", lambda r: r["first_p50"])
    row("D: added delay of a chunk p50, µs", "D", lambda r: r["delay_p50"], added=True)
    row("D: added delay of a chunk p99, µs", "D", lambda r: r["delay_p99"], added=True)
    row("D: CPU per chunk, µs", "D", per_event, form="{:.1f}", own=True)
    rows.append(
        [
            "RSS, MiB: warm -> most",
            *(
                "-" if n == "direct" else f"{f.idle_mib:.0f} -> {f.after_mib:.0f}"
                for n, f in all_figures.items()
            ),
        ]
    )
    head = ["", *names]
    lines = [f"| {' | '.join(r)} |" for r in (head, ["---"] * len(head), *rows)]
    return "\n".join([*lines, "", *(f"{q.name}: {q.about}." for q in QUESTIONS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="each figure is the median of so many (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of one measurement (default: %(default)s)"
    )
    parser.add_argument("--only", default="", help="questions, such as AB (default: all)")
    parser.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another one, with {port} and {upstream}",
    )
    parser.add_argument("--json", type=Path, help="the figures of every round go there")
    args = parser.parse_args()
    asked = QUESTIONS if not args.only else tuple(q for q in QUESTIONS if q.name in args.only)
    programs = HERE / "results"
    build(programs)
    gateways = known() | dict(described(text) for text in args.gateway)
    figures = {name: Figures() for name in gateways}
    for round_ in range(args.rounds):
        for question in asked:
            for name, make in gateways.items():
                print(
                    f"round {round_ + 1} of {args.rounds}: {question.name} {name}".ljust(60),
                    end="\r",
                    file=sys.stderr,
                    flush=True,
                )
                ask(question, make, figures[name], programs, args.seconds)
    print(" " * 60, file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps({name: f.rounds for name, f in figures.items()}, indent=1))
    print(
        table(figures)
        if asked == QUESTIONS
        else json.dumps({n: f.rounds for n, f in figures.items()}, indent=1)
    )


if __name__ == "__main__":
    main()

"""Feeds the targets with bytes that nobody thought of: `python -m fuzz.run --seconds 100`.

Where atheris is importable it drives them, led by coverage; else a mutator of its own does, which
keeps what runs lines that nothing ran before. Both begin with the corpus that is kept beside this
file, and with `--keep` what they find is added to it. What fails is written to `fuzz-<target>-...`
and named on stderr; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
MAX_BYTES = 4096
# What structured input is made of, for the mutator; atheris finds such words by itself.
WORDS = (
    b"\r\n", b"\n\n", b"data: ", b": ", b"0\r\n\r\n", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\u0000", b"\\ud800", b'"model"', b"null",
    b"-1", b"1e999", b"99999999999999999999", b"content-length: ", b"transfer-encoding: chunked\r\n", b"HTTP/1.1", b"--X", b"&a", b"*a", b"<<: ",
)  # fmt: skip


def seeds(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))] or [b""]


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(6):
            case 0 if made:
                made[at % len(made)] = rng.randrange(256)
            case 1:
                made[at:at] = rng.choice(WORDS)
            case 2:
                del made[at : at + rng.randrange(1, 16)]
            case 3:
                made[at:at] = made[at : at + rng.randrange(1, 64)]
            case 4:
                other = rng.choice(others)
                begin = rng.randrange(len(other) + 1)
                made[at : at + rng.randrange(32)] = other[begin : begin + rng.randrange(1, 64)]
            case _:
                made[at:at] = bytes([rng.randrange(256)])
    return bytes(made[:MAX_BYTES])


class Lines:
    """Which lines of the program have run."""

    def __init__(self) -> None:
        self.seen: set[tuple[Any, int]] = set()

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if "pilotfish" not in frame.f_code.co_filename:
            return None
        self.seen.add((frame.f_code, frame.f_lineno))
        return self.trace


def mutate(name: str, seconds: float, keep: bool) -> int:
    """Runs one target with the mutator; returns how many inputs it was given."""
    from fuzz.targets import TARGETS

    target, lines, rng = TARGETS[name], Lines(), random.Random(name)
    pool, count, until = seeds(name), 0, time.monotonic() + seconds
    waiting = list(pool)
    while time.monotonic() < until:
        data = waiting.pop() if waiting else mutated(rng.choice(pool), pool, rng)
        known = len(lines.seen)
        traced = count % 8 == 0 or bool(waiting)
        sys.settrace(lines.trace if traced else None)
        try:
            target(data)
        except BaseException:
            found = Path(f"fuzz-{name}-{hashlib.sha256(data).hexdigest()[:12]}")
            found.write_bytes(data)
            print(f"fuzz: {name} fails on {found}", file=sys.stderr)
            raise
        finally:
            sys.settrace(None)
        count += 1
        if len(lines.seen) > known and data not in pool:
            pool.append(data)
            if keep:
                (CORPUS / name).mkdir(parents=True, exist_ok=True)
                (CORPUS / name / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return count


def guided(name: str, seconds: float, keep: bool) -> None:
    """Runs one target with atheris, which ends the process and says how many inputs there were."""
    import atheris

    with atheris.instrument_imports(include=["pilotfish"]):
        from fuzz.targets import TARGETS
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    folders = [str(CORPUS / name)]
    if not keep:
        folders.insert(0, tempfile.mkdtemp())  # what is found goes into the first
    options = (f"-max_total_time={max(1, round(seconds))}", f"-max_len={MAX_BYTES}", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix=fuzz-{name}-")  # fmt: skip
    atheris.Setup([sys.argv[0], *options, *folders], TARGETS[name])
    atheris.Fuzz()


def with_atheris(name: str, seconds: float, keep: bool) -> int:
    """In a process of its own; how many inputs, or -1 where it failed."""
    command = [sys.executable, "-m", "fuzz.run", "--guided", "--target", name, "--seconds", str(seconds)]  # fmt: skip
    done = subprocess.run(
        [*command, *(["--keep"] if keep else [])], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr[-6000:] + done.stdout[-2000:])
        return -1
    told = [x for x in done.stderr.splitlines() if x.startswith("stat::number_of_executed_units:")]
    return int(told[-1].rpartition(":")[2]) if told else 0


def names() -> list[str]:
    from fuzz.targets import TARGETS

    return list(TARGETS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz.run", description=__doc__.splitlines()[0] if __doc__ else "")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=90.0, help="for all targets together")
    parser.add_argument("--target", help="one of them")
    parser.add_argument("--keep", action="store_true", help="adds what is found to the corpus")
    parser.add_argument("--guided", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.guided:
        guided(given.target, given.seconds, given.keep)
        return 0
    try:
        import atheris  # noqa: F401

        run = with_atheris
    except ImportError:
        run = mutate
    chosen = [given.target] if given.target else names()
    total, failed = 0, 0
    for name in chosen:
        count = run(name, given.seconds / len(chosen), given.keep)
        failed += count < 0
        total += max(count, 0)
        print(f"fuzz: {name}: {max(count, 0)} inputs" + (", FAILED" if count < 0 else ""))
    by = "atheris" if run is with_atheris else "the mutator"
    print(f"fuzz: {total} inputs in all, by {by}; {failed} of {len(chosen)} targets failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

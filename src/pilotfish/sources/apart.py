"""Compiles large rules in a process of its own. Six thousand rules are two seconds of work and a
hundred megabytes of YAML nodes: here neither stalls requests, and the memory goes with the process.

The child reads what is asked from stdin and writes frames to stdout, each a pickle with its length
before it: the rules without their list, then the list in pieces, each so small that taking it up
takes a few milliseconds. docs/decisions/0023 has the measurements.
"""

from __future__ import annotations

import asyncio
import gc
import io
import os
import pickle
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

from pilotfish import providers
from pilotfish.core.model.conditions import compile_op
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.service import Provider
from pilotfish.core.model.smart_rules import Op
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.rules.compile.snapshot import exact_rules, glob_rules
from pilotfish.core.rules.configmap_set import Offered
from pilotfish.errors import Problem, RuleError
from pilotfish.sources.files import UnreadableError, read_files
from pilotfish.sources.judging import Judged, judged, read_configmaps
from pilotfish.sources.store import RulesStore

RULES_A_PIECE = 32
_LENGTH = 4  # bytes of a frame's length, big-endian
_NICE = 5  # requests first


class RulesToCompile(NamedTuple):
    """What to compile: rules files, or ConfigMaps."""

    paths: Sequence[str]
    configmaps: Sequence[Offered]
    allow_inline_secrets: bool


class _Refused(NamedTuple):
    """Why nothing compiled. `unreadable`: a file is there and cannot be read."""

    problems: list[Problem]
    was_read: bool
    unreadable: bool


class NotReadError(RuleError):
    """The files could not be read. `may_help`: asking again may help."""

    def __init__(self, problems: list[Problem], may_help: bool) -> None:
        super().__init__(problems)
        self.may_help = may_help


async def judged_apart(asked: RulesToCompile) -> Judged:
    """As `judging.judged`, in a process of its own. Raises RuleError, where files could not be read
    NotReadError; and OSError where no process can be started.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # nothing is imported from wherever we happen to be
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(pickle.dumps(asked))
        process.stdin.close()
        return await _received(process.stdout)
    except (asyncio.IncompleteReadError, ConnectionError):
        code = await process.wait()
        raise RuleError([Problem(_places(asked), "", _ended(code))]) from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def apply_apart(asked: RulesToCompile, store: RulesStore) -> bool:
    """As `RulesStore.apply`. Raises as `judged_apart`."""
    in_force = store.accept(await judged_apart(asked))
    # Hundreds of thousands of objects that stay: no collection need go through them, which would
    # be a pause of some hundred milliseconds.
    gc.freeze()
    return in_force


async def load_files(paths: Sequence[str], store: RulesStore) -> bool:
    """As `files.load_files`. Raises OSError where no process can be started."""
    try:
        await apply_apart(RulesToCompile(paths, (), store.allow_inline_secrets), store)
    except NotReadError as wrong:
        store.connected(False)
        store.reject(wrong.problems)
        return not wrong.may_help
    except RuleError as wrong:
        store.connected(True)
        store.reject(wrong.problems)
        return True
    store.connected(True)
    return True


def _places(asked: RulesToCompile) -> str:
    return ", ".join([*(f"file:{p}" for p in asked.paths), *(c.source for c in asked.configmaps)])


def _ended(code: int) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return (
        f"cannot be compiled: the process that compiles large rules ended ({how});"
        " its memory counts to the container's limit"
    )


async def _received(stream: asyncio.StreamReader) -> Judged:
    frames = _frames(stream)
    first = _load(await anext(frames), {})
    if isinstance(first, _Refused):
        if first.was_read:
            raise RuleError(first.problems)
        raise NotReadError(first.problems, first.unreadable)
    frame: Judged = first
    snapshot = frame.snapshot
    found: list[Rule] = []
    async for piece in frames:
        found += _load(piece, snapshot.providers)
        await asyncio.sleep(0)  # requests come between
    rules = tuple(r for r in found if not r.virtual)
    whole = replace(
        snapshot,
        rules=rules,
        virtual_models={r.name: r for r in found if r.virtual},
        exact=exact_rules(rules),
        globs=glob_rules(rules),
    )
    return frame._replace(snapshot=whole)


async def _frames(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Until a frame of no length; a stream that ends before has lost its writer."""
    while length := int.from_bytes(await stream.readexactly(_LENGTH)):
        yield await stream.readexactly(length)


# ---- on the way: what both processes have is named, not sent


class _Pickler(pickle.Pickler):
    def __init__(self, file: BinaryIO, known: Mapping[str, Provider]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._known = known

    def persistent_id(self, obj: Any) -> tuple[str, str] | None:
        if isinstance(obj, ProviderKind):
            return "kind", obj.name
        if isinstance(obj, Provider) and self._known.get(obj.name) is obj:
            return "provider", obj.name
        return None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Op) and obj.made_of is not None:  # it holds functions
            return compile_op, obj.made_of
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, known: Mapping[str, Provider]) -> None:
        super().__init__(file)
        self._known = known

    def persistent_load(self, pid: tuple[str, str]) -> Any:
        what, name = pid
        return self._known[name] if what == "provider" else providers.all_kinds()[name]


def _dump(value: Any, known: Mapping[str, Provider]) -> bytes:
    file = io.BytesIO()
    _Pickler(file, known).dump(value)
    return file.getvalue()


def _load(data: bytes, known: Mapping[str, Provider]) -> Any:
    return _Unpickler(io.BytesIO(data), known).load()


# ---- the child


def _answer(asked: RulesToCompile) -> Iterator[bytes]:
    was_read = bool(asked.configmaps)
    try:
        if asked.configmaps:
            documents = read_configmaps(asked.configmaps)
        else:
            documents = read_files(asked.paths, watched=True)
            was_read = True
        whole = judged(documents, asked.allow_inline_secrets)
    except RuleError as wrong:
        unreadable = isinstance(wrong, UnreadableError)
        yield _dump(_Refused(wrong.problems, was_read, unreadable), {})
        return
    snapshot = whole.snapshot
    head = replace(snapshot, rules=(), exact={}, globs=(), virtual_models={})
    yield _dump(whole._replace(snapshot=head), {})
    rules = [*snapshot.rules, *snapshot.virtual_models.values()]
    for at in range(0, len(rules), RULES_A_PIECE):
        yield _dump(rules[at : at + RULES_A_PIECE], snapshot.providers)


def main() -> None:
    """The child: one question, one answer."""
    os.nice(_NICE)
    try:  # where memory runs out, this process goes and not the one that serves
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
    asked = pickle.loads(sys.stdin.buffer.read())
    out = sys.stdout.buffer
    sys.stdout = sys.stderr
    for frame in _answer(asked):
        out.write(len(frame).to_bytes(_LENGTH))
        out.write(frame)
    out.write(bytes(_LENGTH))
    out.flush()


if __name__ == "__main__":
    # By its own name, so that what is pickled is known to the other process.
    from pilotfish.sources import apart

    apart.main()

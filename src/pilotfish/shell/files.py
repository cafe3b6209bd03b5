"""Rules from files and folders, read again when they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from pilotfish.core.documents import Document, documents_of_text
from pilotfish.errors import Problem, RuleError

# A change is to be in force within a second. A look costs a few stat calls; change notices of the kernel are lost on network file
# systems and on the symlink swaps by which Kubernetes updates mounted ConfigMaps.
POLL_S = 0.3
ENDINGS = (".yaml", ".yml", ".json")
LIMIT_BYTES = 8 * 1024 * 1024

Fingerprint = tuple[tuple[str, int, int, int], ...]


def files_of(paths: Sequence[str]) -> list[Path]:
    """The rules files that these files and folders name, in order; hidden ones (Kubernetes' `..data`) left out."""
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix in ENDINGS and not p.name.startswith(".") and p.is_file())
        else:
            found.append(path)
    return found


def fingerprint(paths: Sequence[str]) -> Fingerprint:
    """Changes when any of the files does; a file that is missing is part of it."""
    marks: list[tuple[str, int, int, int]] = []
    for path in files_of(paths):
        try:
            st = path.stat()
            marks.append((str(path), st.st_mtime_ns, st.st_size, st.st_ino))
        except OSError:
            marks.append((str(path), 0, -1, 0))
    return tuple(marks)


def read_files(paths: Sequence[str]) -> list[Document]:
    """All documents. Raises RuleError naming every file that cannot be read."""
    problems: list[Problem] = []
    documents: list[Document] = []
    files = files_of(paths)
    if not files:
        raise RuleError([Problem(f"file:{', '.join(paths)}", "", f"no rules file here, expected names ending in {', '.join(ENDINGS)}")])
    for path in files:
        source = f"file:{path}"
        try:
            if path.stat().st_size > LIMIT_BYTES:
                problems.append(Problem(source, "", f"larger than {LIMIT_BYTES} bytes"))
                continue
            documents += documents_of_text(source, path.read_text(encoding="utf-8"))
        except OSError as e:
            problems.append(Problem(source, "", f"cannot be read: {e.strerror or e}"))
        except UnicodeDecodeError as e:
            problems.append(Problem(source, "", f"not UTF-8: byte {e.object[e.start]:#04x} at position {e.start}"))
        except RuleError as e:
            problems += e.problems
    if problems:
        raise RuleError(problems)
    return documents


async def watch_files(
    paths: Sequence[str],
    offer: Callable[[list[Document]], object],
    reject: Callable[[list[Problem]], None],
    connected: Callable[[bool], None],
    seen: Fingerprint | None = None,
) -> None:
    """For ever: reads the files at the start (unless `seen` says that they were) and whenever they change."""
    while True:
        try:
            now = fingerprint(paths)
        except OSError:
            connected(False)
        else:
            if now != seen:
                seen = now
                load_files(paths, offer, reject, connected)
        await asyncio.sleep(POLL_S)


def load_files(
    paths: Sequence[str],
    offer: Callable[[list[Document]], object],
    reject: Callable[[list[Problem]], None],
    connected: Callable[[bool], None],
) -> None:
    try:
        documents = read_files(paths)
    except RuleError as e:
        connected(False)
        reject(e.problems)
        return
    connected(True)
    offer(documents)

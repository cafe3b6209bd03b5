"""Rules from files and folders, read again when they change."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from pilotfish.core.rules.documents import RulesDocument, documents_of_text, or_empty
from pilotfish.errors import Problem, RuleError

# A change is to be in force within a second. A look costs a few stat calls; change notices of the
# kernel are lost on network file systems and on the symlink swaps by which Kubernetes updates
# mounted ConfigMaps.
POLL_S = 0.3
# A file that is there and cannot be read (no descriptor left, a network file system away) may be
# readable without having changed.
RETRY_LOOKS = 10
ENDINGS = (".yaml", ".yml", ".json")
LIMIT_BYTES = 8 * 1024 * 1024

Fingerprint = tuple[tuple[str, int, int, int, int], ...]


class UnreadableError(RuleError):
    """Some file is there and cannot be read: asking again may help."""


def files_of(paths: Sequence[str]) -> list[Path]:
    """The rules files that these files and folders name, in order; hidden ones (Kubernetes'
    `..data`) left out. Raises OSError for a folder that cannot be read."""
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            found += sorted(
                p
                for p in path.iterdir()
                if p.suffix in ENDINGS and not p.name.startswith(".") and p.is_file()
            )
        else:
            found.append(path)
    return found


def fingerprint(paths: Sequence[str]) -> Fingerprint:
    """Changes when any of the files does, or the right to read it; what is missing or cannot be
    read is part of it.
    """
    marks: list[tuple[str, int, int, int, int]] = []
    for name in paths:
        try:
            files = files_of([name])
        except OSError as e:
            marks.append((name, 0, 0, -1, e.errno or 0))
            continue
        for path in files:
            try:
                st = path.stat()
                marks.append((str(path), st.st_mtime_ns, st.st_ctime_ns, st.st_size, st.st_ino))
            except OSError as e:
                marks.append((str(path), 0, 0, -1, e.errno or 0))
    return tuple(marks)


def size_of(marks: Fingerprint) -> int:
    """Of all the files together, in bytes."""
    return sum(max(0, size) for _, _, _, size, _ in marks)


def read_files(paths: Sequence[str], *, watched: bool = False) -> list[RulesDocument]:
    """All documents. Raises RuleError naming every file that cannot be read, or `watched`, could
    not be read a second time.
    """
    problems: list[Problem] = []
    documents: list[RulesDocument] = []
    may_help = False
    files = 0
    for name in paths:
        try:
            found = files_of([name])
        except OSError as e:
            problems.append(Problem(f"file:{name}", "", f"cannot be read: {e.strerror or e}"))
            may_help = True
            continue
        files += len(found)
        for path in found:
            source = f"file:{path}"
            try:
                documents += or_empty(source, documents_of_text(source, _text(path, watched)))
            except OSError as e:
                problems.append(Problem(source, "", f"cannot be read: {e.strerror or e}"))
                may_help = may_help or not isinstance(e, FileNotFoundError)
            except UnicodeDecodeError as e:
                problems.append(
                    Problem(
                        source,
                        "",
                        f"not UTF-8: byte {e.object[e.start]:#04x} at position {e.start}",
                    )
                )
            except ValueError as e:
                problems.append(Problem(source, "", str(e)))
            except RuleError as e:
                problems += e.problems
    if problems:
        raise (UnreadableError if may_help else RuleError)(problems)
    if not files:
        raise RuleError(
            [
                Problem(
                    f"file:{', '.join(paths)}",
                    "",
                    f"no rules file here, expected names ending in {', '.join(ENDINGS)}",
                )
            ]
        )
    return documents


def _text(path: Path, watched: bool) -> str:
    if watched and not stat.S_ISREG(
        path.stat().st_mode
    ):  # a pipe would stop the whole proxy until somebody writes
        raise ValueError("not a regular file, which is what can be read again when it changes")
    with path.open("rb") as file:
        data = file.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise ValueError(f"larger than {LIMIT_BYTES} bytes")
    return data.decode()


async def watch_files(
    paths: Sequence[str],
    load: Callable[[Fingerprint], Awaitable[bool]],
    seen: Fingerprint | None = None,
) -> None:
    """For ever: loads the files at the start (unless `seen` says that they were) and whenever they
    change. `load` takes the fingerprint; False: some file is there and could not be read.
    """
    looks_left = RETRY_LOOKS  # until files that could not be read are read once more
    is_read = True
    while True:
        now = fingerprint(paths)
        looks_left -= 1
        if now != seen or (looks_left <= 0 and not is_read):
            seen, looks_left = now, RETRY_LOOKS
            is_read = await load(now)
        await asyncio.sleep(POLL_S)


def load_files(
    paths: Sequence[str],
    offer: Callable[[list[RulesDocument]], object],
    reject: Callable[[list[Problem]], None],
    connected: Callable[[bool], None],
) -> bool:
    """False if some file is there and cannot be read: it may be another time."""
    try:
        documents = read_files(paths, watched=True)
    except RuleError as e:
        connected(False)
        reject(e.problems)
        return not isinstance(e, UnreadableError)
    connected(True)
    offer(documents)
    return True

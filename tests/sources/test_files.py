"""Which files are rules, when they changed, and what is said of those that cannot be read."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from pilotfish.errors import RuleError
from pilotfish.sources import files
from pilotfish.sources.files import (
    LIMIT_BYTES,
    UnreadableError,
    files_of,
    fingerprint,
    load_files,
    read_files,
)


def test_every_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"rules: \xe4")
    (tmp_path / "broken.yaml").write_text("rules: [")
    with pytest.raises(RuleError) as refused:
        read_files([str(tmp_path), str(tmp_path / "missing.yaml")])
    told = {os.path.basename(p.source): p.message for p in refused.value.problems}
    assert set(told) == {"latin.yaml", "broken.yaml", "missing.yaml"}
    assert told["latin.yaml"] == "not UTF-8: byte 0xe4 at position 7"
    assert told["missing.yaml"] == "cannot be read: No such file or directory"


def test_a_folder_without_rules_is_a_problem_and_says_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("rules: []")
    with pytest.raises(
        RuleError, match=r"no rules file here, expected names ending in \.yaml, \.yml, \.json"
    ):
        read_files([str(tmp_path)])


def test_a_file_of_many_megabytes_is_not_read(tmp_path):
    large = tmp_path / "large.yaml"
    with large.open("wb") as f:
        f.truncate(LIMIT_BYTES + 1)
    with pytest.raises(RuleError, match="larger than"):
        read_files([str(large)])


def test_a_pipe_is_not_waited_for_by_a_proxy_that_would_have_to_read_it_again(tmp_path):
    """Opening a pipe stops the process, signals included, until somebody writes; and the second
    reading would find no rules at all.
    """
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(RuleError, match="not a regular file"):
        read_files([str(pipe)], watched=True)


@pytest.mark.parametrize("name", ["x" * 300, "loop"])
def test_a_path_that_cannot_even_be_looked_at_is_a_problem_like_others(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    path = str(tmp_path / name)
    assert fingerprint([path]) == fingerprint([path])
    with pytest.raises(RuleError, match="cannot be read") as refused:
        read_files([path])
    assert refused.value.problems[0].source == f"file:{path}"


def test_a_folder_that_may_not_be_read_is_named_beside_the_problems_of_others(
    tmp_path, monkeypatch
):
    (tmp_path / "shut").mkdir()
    (tmp_path / "broken.yaml").write_text("rules: [")
    shut(monkeypatch, tmp_path / "shut")
    with pytest.raises(UnreadableError) as refused:
        read_files([str(tmp_path / "shut"), str(tmp_path / "broken.yaml")])
    assert [p.source.rpartition("/")[2] for p in refused.value.problems] == ["shut", "broken.yaml"]
    assert refused.value.problems[0].message == "cannot be read: Permission denied"


def shut(monkeypatch, folder: Path) -> None:
    """Nobody may list it; rights would not stop a test that runs as root."""
    listed = Path.iterdir

    def iterdir(self):
        if self == folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)


async def test_files_that_could_not_be_read_are_read_once_more_though_they_did_not_change(
    tmp_path, monkeypatch
):
    """No descriptor was left, or the network file system was away: what stands in the file is the
    same, and it was never in force.
    """
    (tmp_path / "a.yaml").write_text("rules: []")
    monkeypatch.setattr(files, "POLL_S", 0)
    told = []
    offered, rejected = asyncio.Event(), asyncio.Event()
    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, *args: (_ for _ in ()).throw(OSError(errno.EMFILE, "Too many open files")),
    )

    def reject(problems):
        told.append(problems[0].message)
        rejected.set()

    paths = [str(tmp_path)]

    async def load(seen):
        return load_files(paths, lambda documents: offered.set(), reject, told.append)

    watching = asyncio.get_running_loop().create_task(files.watch_files(paths, load))
    try:
        await rejected.wait()
        monkeypatch.setattr(Path, "open", opened)
        await offered.wait()
    finally:
        watching.cancel()
    assert (told[:2], told[-1]) == ([False, "cannot be read: Too many open files"], True)


async def test_files_that_are_bad_are_not_read_again_until_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "POLL_S", 0)
    (tmp_path / "a.yaml").write_text("rules: [")
    rejections = []
    looks = 0

    def looked(paths):
        nonlocal looks
        looks += 1
        if looks == 5 * files.RETRY_LOOKS:
            done.set()
        return ()

    done = asyncio.Event()
    monkeypatch.setattr(files, "fingerprint", looked)
    paths = [str(tmp_path)]

    async def load(seen):
        return load_files(paths, lambda documents: None, rejections.append, lambda connected: None)

    watching = asyncio.get_running_loop().create_task(files.watch_files(paths, load))
    await done.wait()
    watching.cancel()
    assert len(rejections) == 1


def test_hidden_files_and_folders_are_no_rules(tmp_path):
    for name in ("b.yaml", "a.json", ".hidden.yaml", "c.txt"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "..data").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    assert [p.name for p in files_of([str(tmp_path)])] == ["a.json", "b.yaml"]


def test_the_fingerprint_changes_with_content_with_new_and_with_lost_files(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("{}")
    marks = [fingerprint([str(tmp_path)])]
    path.write_text("{ }")
    marks.append(fingerprint([str(tmp_path)]))
    (tmp_path / "b.yaml").write_text("{}")
    marks.append(fingerprint([str(tmp_path)]))
    path.unlink()
    marks.append(fingerprint([str(tmp_path)]))
    os.chmod(tmp_path / "b.yaml", 0o000)
    marks.append(fingerprint([str(tmp_path)]))
    assert len(set(marks)) == 5
    assert fingerprint([str(tmp_path)]) == marks[-1]


def test_a_file_swapped_for_one_of_the_same_size_and_time_is_a_change(tmp_path):
    path, other = tmp_path / "a.yaml", tmp_path / "other"
    path.write_text("a: 1")
    other.write_text("a: 2")
    os.utime(path, ns=(1, 1))
    before = fingerprint([str(path)])
    os.utime(other, ns=(1, 1))
    os.replace(other, path)
    assert fingerprint([str(path)]) != before


def test_good_files_are_offered_and_bad_ones_rejected_with_the_source_marked(tmp_path):
    told = []
    path = tmp_path / "a.yaml"

    def load():
        load_files(
            [str(path)],
            lambda d: told.append(("offer", len(d))),
            lambda p: told.append(("reject", len(p))),
            told.append,
        )

    load()
    path.write_text("rules: []\n---\nrules: []\n")
    load()
    assert told == [False, ("reject", 1), True, ("offer", 2)]

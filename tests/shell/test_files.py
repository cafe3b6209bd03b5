"""Which files are rules, when they changed, and what is said of those that cannot be read."""

import os

import pytest

from pilotfish.errors import RuleError
from pilotfish.shell.files import LIMIT_BYTES, files_of, fingerprint, load_files, read_files


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
    with pytest.raises(RuleError, match=r"no rules file here, expected names ending in \.yaml, \.yml, \.json"):
        read_files([str(tmp_path)])


def test_a_file_of_many_megabytes_is_not_read(tmp_path):
    large = tmp_path / "large.yaml"
    with large.open("wb") as f:
        f.truncate(LIMIT_BYTES + 1)
    with pytest.raises(RuleError, match="larger than"):
        read_files([str(large)])


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
    assert len(set(marks)) == 4
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
        load_files([str(path)], lambda d: told.append(("offer", len(d))), lambda p: told.append(("reject", len(p))), told.append)

    load()
    path.write_text("rules: []\n---\nrules: []\n")
    load()
    assert told == [False, ("reject", 1), True, ("offer", 2)]

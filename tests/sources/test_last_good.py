"""The last good rules on disk: kept whole, damaged ones set aside."""

import pytest

from pilotfish.core.rules.configmap_set import Offered
from pilotfish.sources.last_good import LastGood


def test_what_is_saved_is_loaded(tmp_path):
    kept = LastGood(tmp_path)
    kept.save([Offered("configmap:shop/rules@1", {"data": {"a.yaml": "ü"}})])
    (loaded,) = kept.load()
    assert (loaded.source, loaded.configmap) == (
        "configmap:shop/rules@1",
        {"data": {"a.yaml": "ü"}},
    )
    assert (tmp_path / "last-good-rules.json").stat().st_mode & 0o777 == 0o600


def test_a_save_that_was_cut_short_leaves_the_one_before(tmp_path):
    kept = LastGood(tmp_path)
    kept.save([Offered("configmap:shop/rules@1", {})])
    (tmp_path / "last-good-rules.new").write_text("{")
    assert [o.source for o in kept.load()] == ["configmap:shop/rules@1"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 99}', '{"format": 1, "configmaps": [{}]}']
)
def test_kept_rules_that_are_damaged_are_set_aside(tmp_path, content):
    path = tmp_path / "last-good-rules.json"
    path.write_text(content)
    assert LastGood(tmp_path).load() == []
    assert path.with_suffix(".damaged").read_text() == content


def test_a_state_folder_that_cannot_be_written_is_not_fatal(tmp_path):
    LastGood(tmp_path / "missing").save([])
    assert LastGood(tmp_path / "missing").load() == []

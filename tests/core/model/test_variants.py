import sys

import pytest

from pilotfish.core.model.variants import Variants, exported, names_in


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with the modules `good`, `bad` (which cannot be imported) and `_private`."""
    folder = tmp_path / "a_package_of_variants"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "good.py").write_text("THING = 'the good one'")
    (folder / "bad.py").write_text("raise ImportError('nobody asked for this')")
    (folder / "_private.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [n for n in sys.modules if n.startswith(folder.name)]:
        del sys.modules[name]


def things(package):
    return Variants(names_in([str(package)]), lambda name: exported(package.name, name, "THING"))


def test_a_name_that_is_no_module_is_not_looked_for(package):
    found = things(package)
    with pytest.raises(KeyError):
        found["_private"]
    assert found.get("os") is None
    assert "os" not in found


def test_names_are_told_without_importing_anything(package):
    found = things(package)
    assert list(found) == ["bad", "good"]
    assert len(found) == 2
    assert "bad" in found
    assert not [n for n in sys.modules if n.startswith(f"{package.name}.")]


def test_one_that_is_looked_at_is_imported_and_no_other(package):
    assert things(package)["good"] == "the good one"
    assert f"{package.name}.bad" not in sys.modules


def test_one_that_cannot_be_imported_says_so(package):
    with pytest.raises(ImportError, match="nobody asked for this"):
        things(package)["bad"]


def test_a_module_without_its_export_says_so(package):
    (package / "bad.py").write_text("")
    with pytest.raises(AttributeError, match="THING"):
        things(package)["bad"]

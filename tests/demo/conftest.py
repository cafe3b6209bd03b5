"""The demo's keys carry the mark of planted secrets here, so that one that comes out is heard."""

import pytest

from pilotfish.demo import scene
from planted import planted


@pytest.fixture(autouse=True)
def planted_keys(monkeypatch):
    monkeypatch.setattr(scene, "KEY", planted("demo") + "-{}")

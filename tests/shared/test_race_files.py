"""`performance_file`: wins and losses in a file of their own, over restarts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from harness import proxied
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.state.race_history import HALF_LIFE_S, RaceHistory
from pilotfish.shared.race_files import RaceFiles
from pilotfish.simulated import SimulatedVendor
from small_world import TWO_PROVIDERS, compiled, problem

VIRTUAL = """
virtual_models:
  fastest: {performance_file: races.json, providers: [{name: openai, model: a}, {name: claude, model: b}]}
  best: {performance_file: %s, providers: [{name: openai, model: a}]}
"""


def rules(second: str = "races.json") -> Snapshot:
    return compiled(TWO_PROVIDERS, VIRTUAL % second)


def files(folder: Path | None, history: RaceHistory, *, wall: float = 1.7e9) -> RaceFiles:
    return RaceFiles(folder, history, clock=lambda: 100.0, wall=lambda: wall)


def won(times: int = 3) -> RaceHistory:
    history = RaceHistory()
    for _ in range(times):
        history.record("fastest", "openai/a").add(True, 100.0)
        history.record("fastest", "claude/b").add(False, 100.0)
    history.record("best", "openai/a").add(False, 100.0)
    history.record("another", "openai/a").add(True, 100.0)
    return history


def saved(folder: Path, history: RaceHistory, second: str = "races.json") -> None:
    kept = files(folder, history)
    kept.adopt(rules(second))
    kept.save()


def read(folder: Path, **more: float) -> RaceHistory:
    history = RaceHistory()
    files(folder, history, **more).adopt(rules())
    return history


def test_a_restart_finds_who_won(tmp_path: Path) -> None:
    saved(tmp_path, won())
    found = read(tmp_path)
    assert found.record("fastest", "openai/a").dump(100.0) == (3, 0)
    assert found.record("fastest", "claude/b").dump(100.0) == (0, 3)
    assert found.record("best", "openai/a").dump(100.0) == (0, 1)
    assert ("another", "openai/a") not in found.records, "it names no file"


def test_what_was_won_long_ago_counts_less(tmp_path: Path) -> None:
    saved(tmp_path, won(8))
    found = read(tmp_path, wall=1.7e9 + HALF_LIFE_S)
    assert found.record("fastest", "openai/a").dump(100.0)[0] == pytest.approx(4.0)


def test_each_file_holds_the_races_that_name_it(tmp_path: Path) -> None:
    saved(tmp_path, won(), "other.json")
    held = {
        path.name: set(json.loads(path.read_text())["races"])
        for path in (tmp_path / "races").iterdir()
    }
    assert held == {"races.json": {"fastest"}, "other.json": {"best"}}


@pytest.mark.parametrize("data", ["", "hello", '{"version": 9, "saved_at": 1}', "[]"])
def test_a_file_that_is_not_ours_is_left_as_it_is(tmp_path: Path, data: str) -> None:
    path = tmp_path / "races" / "races.json"
    path.parent.mkdir()
    path.write_text(data)
    with capture_logs() as logs:
        saved(tmp_path, won())
    assert path.read_text() == data
    assert [line["log_level"] for line in logs] == ["warning"]
    assert logs[0]["file"] == str(path)


def test_rules_that_change_do_not_read_again_what_is_newer_here(tmp_path: Path) -> None:
    saved(tmp_path, won(1))
    history = RaceHistory()
    kept = files(tmp_path, history)
    kept.adopt(rules())
    history.record("fastest", "openai/a").add(True, 100.0)
    kept.adopt(rules())
    assert history.record("fastest", "openai/a").dump(100.0) == (2, 0)


def test_without_a_state_folder_it_is_said_that_nothing_is_kept() -> None:
    with capture_logs() as logs:
        kept = files(None, won())
        kept.adopt(rules())
        kept.save()
    assert {line["rule"] for line in logs} == {"fastest", "best"}
    assert "PILOTFISH_STATE_DIR" in logs[0]["event"]


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "races").write_text("in the way")
    with capture_logs() as logs:
        saved(tmp_path, won())
    assert {line["log_level"] for line in logs} == {"warning"}


async def test_it_is_saved_beside_the_requests(tmp_path: Path) -> None:
    kept = files(tmp_path, won())
    kept.adopt(rules())
    await kept.save_beside()
    assert read(tmp_path).record("fastest", "openai/a").dump(100.0) == (3, 0)


@pytest.mark.parametrize("name", ["/etc/passwd", "../races.json", "a/b.json", ".hidden"])
def test_rules_cannot_name_a_file_elsewhere(name: str) -> None:
    path, message = problem(TWO_PROVIDERS, VIRTUAL % f"'{name}'")
    assert path == "virtual_models.best.performance_file"
    assert "below PILOTFISH_STATE_DIR" in message


async def test_the_proxy_keeps_them_over_a_restart(tmp_path: Path) -> None:
    async with SimulatedVendor() as vendor:
        text = f"""
        providers: {{v: {{kind: openai, api_base: {vendor.base}/v1, no_key_required: true}}}}
        virtual_models:
          fastest:
            performance_file: fastest.json
            providers: [{{name: v, model: sim-n2}}, {{name: v, model: sim-ttft-60s}}]
        """
        state = tmp_path / "state"
        async with proxied(tmp_path, text, state_dir=str(state)) as proxy:
            assert (await proxy.chat("fastest", stream=True)).status == 200
            await proxy.settled()
        (state / "statistics.json").unlink()
        async with proxied(tmp_path, text, state_dir=str(state)) as proxy:
            races = (await proxy.status())["races"]
    [told] = [race for race in races if race["virtual_model"] == "fastest"]
    assert {s["service"]: s["wins"] > 0 for s in told["services"]} == {
        "v/sim-n2": True,
        "v/sim-ttft-60s": False,
    }

"""Who wins a race."""

from __future__ import annotations

import random
from typing import Any

from core.routing.playbook import House
from pilotfish.core.model.snapshot import Race
from pilotfish.core.routing.attempt_state import AttemptState
from pilotfish.core.routing.race import EXPLORE, RaceReferee
from pilotfish.core.state.race_history import RaceHistory


class NoChance(random.Random):
    def random(self) -> float:
        return 0.999


def referee(strategy: str, history: RaceHistory | None = None) -> RaceReferee:
    return RaceReferee("chat", Race(strategy=strategy), history, NoChance())


def running(house: House, *names: str, **fields: Any) -> list[AttemptState]:
    made = []
    for n, name in enumerate(names):
        attempt = AttemptState(n, house.candidate(name), 0, 0.0)
        attempt.first_token_at = 0.5 + n
        for field, values in fields.items():
            setattr(attempt, field, values[n])
        made.append(attempt)
    return made


def test_the_first_to_show_something_wins_first_wins_at_once() -> None:
    a, b = running(House("a b"), "a", "b")
    b.first_token_at = None
    assert referee("first_wins").is_decided([a, b])
    assert not referee("weighted").is_decided([a, b])


def test_quality_waits_for_whole_answers() -> None:
    both = running(House("a b"), "a", "b", complete=(True, False))
    assert not referee("quality").is_decided(both)
    both[1].complete = True
    assert referee("quality").is_decided(both)


def test_the_better_answer_wins_for_quality_however_late_it_is() -> None:
    a, b = running(House("a b"), "a", "b", quality=(0.5, 1.0))
    assert referee("quality").winner([a, b], 2.0) is b


def test_weighted_prefers_the_one_that_wins_most_for_its_time() -> None:
    house, history = House("a b"), RaceHistory()
    for _ in range(9):
        history.record("chat", "b/m").add(True, 0.0)
        history.record("chat", "a/m").add(False, 0.0)
    a, b = running(house, "a", "b")
    assert referee("weighted", history).winner([a, b], 2.0) is b


def test_without_a_history_the_quicker_one_wins() -> None:
    a, b = running(House("a b"), "a", "b")
    assert referee("weighted").winner([a, b], 2.0) is a


def test_a_share_of_races_is_left_to_chance() -> None:
    rng = random.Random(7)
    races = [RaceReferee("r", Race(strategy="weighted"), None, rng) for _ in range(4000)]
    share = sum(race.explores for race in races) / len(races)
    assert abs(share - EXPLORE) < 0.015
    house = House("a b")
    won = {
        race.winner(running(house, "a", "b"), 2.0).candidate.service.id
        for race in races
        if race.explores
    }
    assert won == {"a/m", "b/m"}

"""Going on with a broken stream: what is asked, and how the two answers join."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.exchange.stream_resume import (
    INSTRUCTION,
    MIN_OVERLAP,
    MIN_PASSAGE,
    MIN_RESTART,
    Continuation,
    OverlapTrimmer,
    Transcript,
    continuation,
)
from pilotfish.core.formats.deltas import (
    BlockEnd,
    Delta,
    Finish,
    LogprobsDelta,
    MessageStart,
    PartDelta,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingEnd,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from pilotfish.core.formats.neutral import (
    Chat,
    FinishReason,
    Image,
    Signature,
    Text,
    ThinkingConfig,
    Turn,
)
from pilotfish.core.formats.usage import Usage

SIGNED = Signature("anthropic", "c2ln")
STOP = Finish(FinishReason.STOP)
CHAT = Chat(
    model="m", turns=(Turn("user", (Text("Tell me."),)),), thinking=ThinkingConfig(enabled=True)
)


def noted(*deltas: Delta) -> Transcript:
    record = Transcript()
    for delta in deltas:
        record.note(delta)
    return record


def joined(so_far: str, *texts: str) -> str | None:
    """What of these pieces is new; None where they diverge from what was said."""
    seam = OverlapTrimmer(so_far)
    out = "".join([*(seam.feed(text) for text in texts), seam.flush()])
    assert not (seam.diverged and out)
    return None if seam.diverged else out


# ---- what can be gone on from


@pytest.mark.parametrize(
    "deltas",
    [
        [],
        [MessageStart("id", "m")],
        [TextDelta("")],
        [ThinkingDelta("only thoughts")],
        [TextDelta("a"), ToolStart(index=0, id="t", name="f")],
        [ThinkingDelta("hm"), ThinkingEnd(SIGNED), TextDelta("a")],
        [ThinkingEnd(redacted=True), TextDelta("a")],
        [TextDelta("a", SIGNED)],
        [TextDelta("a"), RefusalDelta("no")],
        [TextDelta("a"), PartDelta(Image(data="AAAA"))],
    ],
)
def test_without_text_after_a_tool_call_or_with_signed_thinking_nobody_can_go_on(
    deltas: list[Delta],
) -> None:
    assert not noted(*deltas).can_be_resumed


def test_text_and_unsigned_thoughts_can_be_gone_on_from() -> None:
    record = noted(
        MessageStart(), ThinkingDelta("hm"), ThinkingEnd(), TextDelta("The "), TextDelta("fox")
    )
    assert record.can_be_resumed
    assert record.text == "The fox"


# ---- what the next service is asked


def test_a_prefill_is_a_last_assistant_turn_without_trailing_blanks() -> None:
    """Vendors refuse one that ends in blanks."""
    asked = continuation(CHAT, "The fox \n", prefill=True)
    assert asked.turns == (*CHAT.turns, Turn("assistant", (Text("The fox"),)))


def test_a_model_without_prefill_is_told_what_to_do() -> None:
    asked = continuation(CHAT, "The fox \n", prefill=False)
    assert asked.turns[1:] == (
        Turn("assistant", (Text("The fox \n"),)),
        Turn("user", (Text(INSTRUCTION),)),
    )


def test_it_is_not_asked_to_think_again_and_the_request_itself_stays_as_it_was() -> None:
    assert continuation(CHAT, "x", prefill=True).thinking is None
    assert CHAT.thinking is not None
    assert len(CHAT.turns) == 1


# ---- the seam


SO_FAR = "Once upon a time, there was a fox"


@pytest.mark.parametrize(
    ("texts", "new"),
    [
        ([" who ran."], " who ran."),
        (["there was a fox who ran."], " who ran."),
        (["there", " was", " a fox", " who ran."], " who ran."),
        ([SO_FAR + " who ran."], " who ran."),
        (["a fox who ran."], "a fox who ran."),  # shorter than a repetition that is no chance
        (["there was a wolf."], "there was a wolf."),
        (["there was"], "there was"),  # it ends there: no repetition after all
        ([SO_FAR], ""),
        ([""], ""),
    ],
)
def test_what_is_repeated_is_left_out_and_nothing_else(texts: list[str], new: str) -> None:
    assert joined(SO_FAR, *texts) == new


def test_blanks_that_a_prefill_went_without_are_not_doubled() -> None:
    assert joined("The fox ", " ran") == "ran"
    assert joined("The fox ", "ran") == "ran"
    assert joined("A list:\n", "\n- one") == "- one"


def test_a_short_repetition_of_something_periodic_is_a_repetition_too() -> None:
    assert joined("| " + "-" * 30, "-" * 12) == ""


WORDS = [f"{i} " for i in range(1000)]


@pytest.mark.parametrize("length", [2, 100, 999])
def test_a_repetition_of_any_length_is_left_out(length: int) -> None:
    assert joined("".join(WORDS), *WORDS[-length:], "next") == "next"


# ---- an answer that is begun anew


@pytest.mark.parametrize("blanks", ["", "\n\n", " "])
def test_of_an_answer_begun_anew_what_the_client_has_is_skipped(blanks: str) -> None:
    assert joined("".join(WORDS), blanks, *WORDS, "and more") == "and more"


def test_a_text_that_repeats_itself_many_times_is_known_again_from_its_start() -> None:
    trimmer = OverlapTrimmer("word " * 300)
    came = [trimmer.feed(piece) for piece in ["word "] * 300 + ["and", " more"]]
    assert "".join(came) == "and more"


def test_a_short_answer_is_known_again_by_all_of_it() -> None:
    assert joined("Yes.", "Yes", ". No.") == " No."


def test_where_it_leaves_the_answer_that_it_began_anew_it_is_of_no_use() -> None:
    for half in (8, 500, 999):
        assert joined("".join(WORDS), *WORDS[:half], "but", " otherwise") is None


def test_an_answer_begun_anew_that_ends_before_the_first_one_broke_is_of_no_use() -> None:
    assert joined("".join(WORDS), *WORDS[:500]) is None


def test_a_long_passage_from_the_middle_that_goes_on_otherwise_is_of_no_use() -> None:
    assert joined("".join(WORDS), *WORDS[300:400], "but otherwise") is None


def test_lines_that_resemble_each_other_are_no_repetition() -> None:
    """Tables, lists and code: long common parts, and every line is new."""
    rows = "".join(f"| the same text in every row of it | {i} |\n" for i in range(20))
    assert len("| the same text in every row of it | ") < MIN_PASSAGE
    assert joined("A table:\n" + rows, "| the same text in every row of it | 20 |\n") == (
        "| the same text in every row of it | 20 |\n"
    )


def test_words_that_an_answer_begins_with_may_come_again() -> None:
    so_far = "The fox ran. The dog slept."
    assert len("The cat sat.") <= MIN_RESTART
    assert joined(so_far, " The", " cat", " sat.") == " The cat sat."


@given(
    st.text(alphabet="ab \n", max_size=60),
    st.text(alphabet="ab \n", max_size=30),
    st.integers(0, 60),
    st.lists(st.integers(0, 90), max_size=5),
)
def test_only_what_was_said_before_can_be_left_out_however_it_is_cut(
    so_far: str, new: str, repeated: int, cuts: list[int]
) -> None:
    said = so_far[len(so_far) - min(repeated, len(so_far)) :] + new
    at = sorted({min(c, len(said)) for c in cuts})
    out = joined(so_far, *(said[a:b] for a, b in zip([0, *at], [*at, len(said)], strict=True)))
    assert out == joined(so_far, said)
    if out is None:
        return
    assert said.endswith(out)
    left_out = said[: len(said) - len(out)]
    assert so_far.endswith(left_out) or so_far.lstrip() == left_out.lstrip()
    # Blanks that a repetition begins with are no sign of one.
    if len(said[: len(said) - len(new)].lstrip()) >= MIN_OVERLAP:
        assert len(out) <= len(new)


# ---- the deltas of the second answer


def test_it_has_no_second_start_and_no_second_thoughts() -> None:
    rest = Continuation("text", None)
    assert [
        rest.fit(d) for d in (MessageStart("2", "m"), ThinkingDelta("hm"), ThinkingEnd(SIGNED))
    ] == [[], [], []]


@pytest.mark.parametrize(
    "delta",
    [
        STOP,
        BlockEnd(),
        RefusalDelta("no"),
        ToolStart(index=0, id="t", name="f"),
        ToolArgs(0, "{}"),
    ],
)
def test_what_is_held_back_comes_before_whatever_follows_it(delta: Delta) -> None:
    rest = Continuation(SO_FAR, None)
    assert rest.fit(TextDelta("there")) == []
    assert rest.fit(delta) == [TextDelta("there"), delta]
    assert rest.rest() == []


@pytest.mark.parametrize("delta", [UsageDelta(Usage(input=1)), LogprobsDelta(())])
def test_what_comes_beside_the_text_does_not_end_a_repetition(delta: Delta) -> None:
    rest = Continuation(SO_FAR, None)
    rest.fit(TextDelta("there was"))
    assert rest.fit(delta) == []
    assert rest.fit(TextDelta(" a fox who"))[0] == TextDelta(" who")


def test_before_there_is_something_new_the_clients_stream_is_left_as_it_is() -> None:
    """It would have no way back, should the answer turn out to be of no use."""
    rest = Continuation(SO_FAR, None)
    for delta in (BlockEnd(), UsageDelta(Usage(input=1)), STOP):
        assert rest.fit(delta) == []
    assert rest.rest() == [UsageDelta(Usage(input=1)), STOP]


def test_of_an_answer_that_diverged_nothing_comes_out() -> None:
    text = "".join(WORDS)
    rest = Continuation(text, None)
    out = [rest.fit(TextDelta(word)) for word in [*WORDS[:500], "otherwise"]]
    assert rest.diverged
    assert [*out, rest.rest()] == [[]] * 502


def test_one_that_diverges_with_its_end_gives_out_no_end() -> None:
    rest = Continuation("".join(WORDS), None)
    for word in WORDS[:500]:
        rest.fit(TextDelta(word))
    assert rest.fit(STOP) == []
    assert rest.diverged


def test_what_is_held_back_to_the_end_is_let_go() -> None:
    rest = Continuation(SO_FAR, None)
    rest.fit(TextDelta("there"))
    assert rest.rest() == [TextDelta("there")]


def test_usage_is_that_of_all_attempts_and_counted_up_only_once() -> None:
    rest = Continuation("text", Usage(input=10, output=5, cached_input=2, estimated=True))
    rest.fit(TextDelta(" more"))
    assert rest.fit(UsageDelta(Usage(input=20, output=1))) == [
        UsageDelta(Usage(input=30, output=6, cached_input=2, estimated=True))
    ]
    assert rest.fit(UsageDelta(Usage(input=20, output=4))) == [
        UsageDelta(Usage(input=30, output=9, cached_input=2, estimated=True))
    ]


def test_usages_add_up_field_by_field() -> None:
    one = Usage(input=1, output=2, cached_input=3, cache_write=4, reasoning=5)
    two = Usage(input=10, output=20, cached_input=30, cache_write=40, reasoning=50, estimated=True)
    assert one.plus(two) == Usage(
        input=11, output=22, cached_input=33, cache_write=44, reasoning=55, estimated=True
    )

"""What is wrong now, seen without a click: figures with their history, late requests, services with
all rules that use them, and what can be done about one.
"""

import os
from pathlib import Path

import pytest

from browser.told import Told, decision, history, service, told_page

pytestmark = pytest.mark.browser
# A folder: where pictures for the docs are put.
IMAGES = os.environ.get("PILOTFISH_SCREENSHOTS", "")
LATE = {
    "request_id": "3f2a00000007", "rule": "chat", "model": "gpt-4o", "stream": True, "age_s": 42.3, "silent_s": 41.0, "answering": False,
    "attempts": [{"service": "acme/large", "age_s": 42.0, "waits_for": "its first content"}],
}  # fmt: skip
# Of the elements of each kind whose boxes lie over each other within the same plot or tile.
OVERLAPS = """
[...document.querySelectorAll('.plot, .tile')].flatMap(box => {
  const parts = [...box.querySelectorAll(':scope > .most, :scope > .least, :scope > svg, :scope > .span, :scope > .value, :scope > h3, :scope > .plot')].filter(e => e.textContent || e.tagName === 'svg');
  const boxes = parts.map(e => [e.className.baseVal ?? e.className, e.getBoundingClientRect()]);
  return boxes.flatMap(([name, a], i) => boxes.slice(i + 1).filter(([, b]) => a.left < b.right - .5 && b.left < a.right - .5 && a.top < b.bottom - .5 && b.top < a.bottom - .5).map(([other]) => `${name} over ${other}`));
})
"""


def keep(name, picture):
    if IMAGES:
        Path(IMAGES, name).write_bytes(picture)


def somebody_on_call():
    """A vendor that limits, one that hangs, and traffic that feels it."""
    told = Told()
    told.services = [
        service("chat", "acme", "large", state="cooling", trips=3),
        service("batch", "acme", "large", state="cooling", tier=1, trips=3),
        service("chat", "other", "small", tier=1, in_flight=14, oldest_in_flight_s=42.0),
        service("vision", "third", "medium"),
    ]
    told.rules["names"] = ["chat", "batch", "vision"]
    told.rules["changes"] = {"added": ["rule vision"], "removed": [], "changed": ["rule chat"]}
    told.recent = [decision(1), decision(2, code=503), decision(3)]
    told.late = {"count": 1, "requests": [LATE]}
    return told


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (800, True), (390, False)])
async def test_plots_have_a_baseline_and_a_range_and_nothing_lies_over_them(tmp_path, width, dark):
    async with told_page(tmp_path, somebody_on_call()) as page:
        await page.screen(width, 900, dark=dark)
        await page.shows("next trial at")
        assert await page.value(OVERLAPS) == []
        plots = await page.value("document.querySelectorAll('.plot').length")
        assert plots == 5 + 2 * 3  # figures, and two for each service
        assert await page.value("document.querySelectorAll('.plot line.baseline').length") == plots
        ranges = "[...document.querySelectorAll('.tile .most')].map(e => e.textContent)"
        assert await page.value(ranges) == ["19", "20 %", "1,149", "957", "$4.79"]
        assert await page.value("document.documentElement.scrollWidth <= innerWidth")


async def test_figures_of_now_and_their_history_are_there_at_once_and_not_from_the_first_look_on(
    tmp_path,
):
    """The proxy keeps them: a page that is opened after the fact shows what was."""
    told = somebody_on_call()
    async with told_page(tmp_path, told) as page:
        await page.shows("12.4 /s")
        await page.shows("3.1 %")
        await page.shows("290 / 810 ms")
        await page.shows("$4.61 /h")
        paths = "[...document.querySelectorAll('.tile path.first')].map(p => p.getAttribute('d').split('L').length)"
        assert min(await page.value(paths)) > 150
        two = "document.querySelectorAll('.tile path.second:not([d=\"\"])').length"
        assert await page.value(two) == 1  # p95 beside p50


async def test_where_there_was_nothing_the_line_has_a_gap(tmp_path):
    told = Told()
    told.history = history()
    async with told_page(tmp_path, told) as page:
        await page.shows("12.4 /s")
        await page.value("look()")
        starts = "[...document.querySelectorAll('.tile path.first')].map(p => p.getAttribute('d').split('M').length - 1)"
        assert await page.value(starts) == [1, 2, 2, 1, 1]


async def test_a_proxy_without_traffic_has_figures_without_errors(tmp_path):
    told = Told()
    told.history = {key: [] if isinstance(v, list) else v for key, v in told.history.items()}
    told.traffic = dict.fromkeys(told.traffic, 0.0) | {
        "error_share": None,
        "ttft_p50_ms": None,
        "ttft_p95_ms": None,
    }
    async with told_page(tmp_path, told) as page:
        await page.shows("0 /s")
        assert page.complaints == []
        labels = (
            "[...document.querySelectorAll('.tile svg')].map(s => s.getAttribute('aria-label'))"
        )
        assert all(label.endswith("nothing yet") for label in await page.value(labels))


async def test_a_request_that_hangs_is_shown_while_it_hangs(tmp_path):
    told = Told()
    async with told_page(tmp_path, told) as page:
        await page.shows("The one service serves")
        assert await page.value("document.getElementById('late-section').hidden")
        told.late = {"count": 30, "requests": [LATE]}
        await page.shows("30 requests in flight without a sign of life for some seconds; the 1")
        await page.shows("Rule chat, gpt-4o: silent for 41 s, no answer yet, 42 s old.")
        await page.shows("acme/large waits for its first content (42 s)")
        news = "document.getElementById('news').textContent"
        assert "30 requests late" in await page.value(news)
        told.late = {"count": 0, "requests": []}
        await page.value("look()")
        assert await page.value("document.getElementById('late-section').hidden")


async def test_a_service_of_several_rules_is_one_row_with_a_chip_for_each(tmp_path):
    async with told_page(tmp_path, somebody_on_call()) as page:
        await page.shows("1 of 3 services out: acme/large (cooling)")
        assert await page.value("document.querySelectorAll('#rows tr').length") == 3
        chips = (
            "[...document.querySelectorAll('#rows tr:first-child .chip')].map(c => c.textContent)"
        )
        assert await page.value(chips) == ["chat", "batch, tier 1"]
        await page.shows("14, oldest 42 s")


async def test_why_since_when_and_the_way_back_are_said(tmp_path):
    async with told_page(tmp_path, somebody_on_call()) as page:
        await page.shows("rate_limited (status 429, asked to wait 30 s)")
        await page.shows("next trial at")
        await page.shows("in 29 s; step 3")


async def test_a_service_is_reset_by_hand_with_the_keyboard(tmp_path):
    told = somebody_on_call()
    async with told_page(tmp_path, told) as page:
        await page.shows("cooling")
        buttons = "[...document.querySelectorAll('#rows button')].filter(b => !b.hidden)"
        assert await page.value(f"{buttons}.length") == 1
        name = await page.value(f"{buttons}[0].getAttribute('aria-label')")
        assert name == "Reset acme/large: let it serve at once"
        await page.value(f"{buttons}[0].focus()")
        await page.press("Enter")
        await page.shows("acme/large serves again, by hand.")
        assert told.resets == [{"service": "acme/large"}]


async def test_a_reset_that_is_refused_says_why(tmp_path):
    told = somebody_on_call()
    told.reset_status, told.reset_answer = 403, {"error": {"message": "only from loopback"}}
    async with told_page(tmp_path, told) as page:
        await page.shows("cooling")
        await page.value("document.querySelector('#rows button:not([hidden])').click()")
        await page.shows("acme/large was not reset: only from loopback")


async def test_explain_begins_with_a_model_that_there_is(tmp_path):
    told = Told()
    told.rules["models"] = ["gpt-4o-mini"]
    async with told_page(tmp_path, told) as page:
        await page.shows("acme/large")
        await page.value("look()")
        body = "JSON.parse(document.getElementById('body').value).model"
        assert await page.value(body) == "gpt-4o-mini"
        await page.value("document.getElementById('body').value = '{}'")
        told.recent = [decision(1, model="another")]
        await page.shows("another")
        assert await page.value("document.getElementById('body').value") == "{}"


async def test_rules_show_their_candidates_and_what_the_last_change_changed(tmp_path):
    told = somebody_on_call()
    async with told_page(tmp_path, told) as page:
        await page.shows("The last change: added rule vision; changed rule chat")
        await page.value("document.querySelector('#each-rule summary').click()")
        await page.shows("acme/large, tier 0, weight 1: cooling")
        await page.shows("other/small, tier 1, weight 1: serving")
        told.services[0]["state"] = told.services[1]["state"] = "serving"
        await page.shows("acme/large, tier 0, weight 1: serving")
        assert await page.value("document.querySelector('#each-rule details').open")


@pytest.mark.parametrize(
    ("name", "width", "height", "dark"),
    [
        ("status-page.png", 1400, 900, False),
        ("status-page-800.png", 800, 600, False),
        ("status-page-phone.png", 390, 844, True),
    ],
)
async def test_the_pictures_of_the_docs(tmp_path, name, width, height, dark):
    async with told_page(tmp_path, somebody_on_call()) as page:
        await page.screen(width, height, dark=dark)
        await page.shows("next trial at")
        await page.value("document.querySelectorAll('#recent details')[0].open = true")
        made = await page.screenshot()
        assert made.startswith(b"\x89PNG")
        assert page.complaints == []
        keep(name, made)

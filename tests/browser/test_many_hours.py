"""The status page with what one proxy in a test never has: crowds of services, hours of decisions,
long names, states that change.
"""

import asyncio

import pytest

from browser.told import Told, decision, service, told_page

pytestmark = pytest.mark.browser

LONG = "accounts/somebody/models/a-model-whose-name-says-everything-about-it-405b-instruct-preview-2026-01-01"
# Of every element with text of its own: the ratio of WCAG 2.1 between its colour and what is behind
# it, and its text.
CONTRASTS = """
(() => {
  const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = e => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
  const texts = [...document.body.querySelectorAll("*")].filter(e => !["SCRIPT", "STYLE"].includes(e.tagName))
    .filter(e => ["INPUT", "TEXTAREA"].includes(e.tagName) || [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  const edges = [...document.querySelectorAll("input, textarea")].map(e => [ratio(numbers(getComputedStyle(e).borderTopColor), behind(e.parentElement)) * 1.5, `edge of ${e.id}`]);
  return [...texts.map(e => [ratio(numbers(getComputedStyle(e).color), behind(e)), e.textContent.slice(0, 40)]), ...edges];
})()
"""


def crowd(count=50):
    states = ["serving", "serving", "cooling", "serving", "probing"]
    return [
        service(
            f"rule-{n // 4}",
            f"provider-{n % 7}",
            f"model-{n}",
            tier=n % 4 // 2,
            state=states[n % 5],
        )
        for n in range(count)
    ]


def everything():
    """All that the page can show at once."""
    told = Told()
    told.services = [
        *crowd(13),
        service("off", active=False, reason="switched off in the rules"),
        service("long", LONG, LONG, state="cooling"),
    ]
    told.recent = [decision(1), decision(2, code=503), decision(3, model=LONG)]
    told.rules["problems"] = [
        {"source": "file:rules.yaml", "path": "rules[0]", "message": f"unknown provider {LONG!r}"}
    ]
    told.status["races"] = [
        {
            "virtual_model": "fastest",
            "services": [{"service": f"{LONG}/{LONG}", "wins": 3, "losses": 1, "score": 0.7}],
        }
    ]
    return told


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_all_text_can_be_read_by_weak_eyes(tmp_path, dark):
    """WCAG 2.1 AA: text 4.5 to 1; edges of controls 3 to 1 (counted one and a half times here)."""
    async with told_page(tmp_path, everything()) as page:
        await page.screen(1240, 1000, dark=dark)
        await page.shows("provider-0/model-0")
        await page.value("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = await page.value(CONTRASTS)
        assert len(found) > 100
        assert [(round(ratio, 2), text) for ratio, text in found if ratio < 4.5] == []
        assert page.complaints == []


@pytest.mark.parametrize("width", [320, 820, 1240])
async def test_crowds_and_long_names_stick_out_at_no_width(tmp_path, width):
    async with told_page(tmp_path, everything()) as page:
        await page.screen(width, 800)
        await page.shows("provider-0/model-0")
        await page.value("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert await page.value("document.documentElement.scrollWidth <= innerWidth")
        broken = "[...document.querySelectorAll('thead th')].filter(e => e.getClientRects().length && e.offsetWidth > 2 && e.offsetWidth < 30).length"
        assert await page.value(broken) == 0, "headings are not broken letter by letter"


async def test_why_a_request_went_where_it_went_is_told(tmp_path):
    told = Told()
    told.recent = [decision(1)]
    async with told_page(tmp_path, told) as page:
        await page.shows("2 attempts")
        await page.value("document.querySelector('#recent summary').focus()")
        await page.press("Enter")
        await page.shows("Rule chat: request_model glob 'gpt-*' matches")
        await page.shows("Smart routing: block 0 (long) matched: token ge '60000'")
        await page.shows("Why: by adaptive, among third/medium, other/small (tier 0)")
        await page.shows("acme/large: cooling until 2026-01-01T00:00:30Z (24 s)")
        await page.shows("old/one: inactive")


async def test_a_decision_that_is_being_read_stays_while_others_come(tmp_path):
    told = Told()
    told.recent = [decision(1)]
    async with told_page(tmp_path, told) as page:
        await page.shows("2 attempts")
        await page.value("document.querySelector('#recent summary').focus()")
        await page.press("Enter")
        told.recent = [decision(n, model=f"other-{n}") for n in range(60, 10, -1)]
        await page.shows("other-60")
        assert await page.value("document.activeElement.parentElement.open")
        assert await page.value("document.querySelectorAll('#recent details').length") == 51
        await page.press("Enter")
        await page.press("Tab")
        told.recent = told.recent[:10]
        await page.value("look()")
        assert await page.value("document.querySelectorAll('#recent details').length") == 10
        newest = await page.value(
            "[...document.querySelectorAll('#recent summary')].map(s => s.textContent.match(/other-(\\d+)/)[1])"
        )
        assert newest == [str(n) for n in range(60, 50, -1)]


async def test_only_what_went_wrong_can_be_asked_for(tmp_path):
    told = Told()
    fine = decision(2, model="went-well")
    fine["attempts"] = fine["attempts"][1:]
    told.recent = [fine, decision(1, code=503, model="went-wrong")]
    async with told_page(tmp_path, told) as page:
        await page.shows("went-well")
        await page.value("document.getElementById('unusual').focus()")
        await page.press(" ")
        await page.shows("went-wrong")
        assert "went-well" not in await page.value("document.getElementById('recent').textContent")


async def test_a_change_of_state_is_said_once_to_those_who_do_not_see_it(tmp_path):
    told = Told()
    async with told_page(tmp_path, told) as page:
        await page.shows("The one service serves")
        told.services = [service(state="cooling")]
        await page.shows("1 of 1 service out: acme/large (cooling)")
        await page.value("look()")
        said = "[...document.querySelectorAll('#news p')].map(p => p.textContent)"
        assert await page.value(said) == [
            "acme/large of rule chat: cooling, rate_limited (status 429, asked to wait 30 s)"
        ]
        assert await page.value("document.title") == "1 out - Pilotfish"
        assert (
            await page.value("document.getElementById('news').getAttribute('aria-live')")
            == "polite"
        )


async def test_a_page_left_open_for_a_day_does_not_grow(tmp_path):
    """Rules come and go, services change their states, decisions pass by: what is drawn is what
    there is now.
    """
    told = Told()

    async def turns(count, begin):
        for n in range(begin, begin + count):
            told.services = [
                service(f"rule-{n}", "acme", f"model-{n}"),
                service(state="cooling" if n % 2 else "serving"),
            ]
            told.recent = [decision(n * 50 + i) for i in range(50, 0, -1)]
            told.rules["version"] = f"version-{n}"
            told.rules["problems"] = [{"source": "", "path": "rules", "message": f"problem {n}"}]
            await page.value("look()")
        await page.call("HeapProfiler.collectGarbage")
        counted = await page.call("Memory.getDOMCounters")
        return counted["nodes"], counted["jsEventListeners"], await page.value("rows.size")

    async with told_page(tmp_path, told) as page:
        await page.shows("acme/large")
        nodes, listeners, rows = await turns(40, 0)
        more, as_many, same = await turns(120, 40)
    assert (as_many, same) == (listeners, rows) == (listeners, 2)
    assert more < nodes * 1.1


async def test_two_hundred_rules_are_folded_and_fifty_services_can_be_searched(tmp_path):
    told = Told()
    told.services, told.rules["names"] = crowd(), [f"rule-{n}" for n in range(200)]
    told.rules["notes"] = ["file:rules.yaml: buffer: accepted"]
    async with told_page(tmp_path, told) as page:
        await page.shows("200 rules")
        await page.shows("file:rules.yaml: buffer: accepted")
        assert not await page.value("document.querySelector('#each-rule details').open")
        await page.shows("20 of 50 services out: provider-2/model-2 (cooling)")
        await page.value("document.getElementById('filter').focus()")
        await page.type("model-17")
        shown = "[...document.querySelectorAll('#rows tr')].filter(r => !r.hidden).map(r => r.firstChild.textContent)"
        assert await page.value(shown) == ["provider-3/model-17"]
        await page.value("look()")
        assert await page.value(shown) == ["provider-3/model-17"], "also after the next look"
        assert await page.value("document.activeElement.id") == "filter"


async def test_a_selection_is_not_lost_while_figures_change(tmp_path):
    told = Told()
    async with told_page(tmp_path, told) as page:
        await page.shows("acme/large")
        await page.value("getSelection().selectAllChildren(document.querySelector('#rows th'))")
        told.services = [service(in_flight=77)]
        await page.shows("77")
        assert await page.value("getSelection().toString().trim()") == "acme/large"


async def test_nothing_moves_by_itself(tmp_path):
    """So there is nothing to switch off for those who asked for less motion."""
    async with told_page(tmp_path, everything()) as page:
        await page.shows("provider-0/model-0")
        assert await page.value("document.getAnimations().length") == 0
        moving = "[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e); return s.transitionDuration !== '0s' || s.animationName !== 'none' || s.scrollBehavior !== 'auto'; }).length"
        assert await page.value(moving) == 0


async def test_the_keyboard_goes_through_the_page_in_the_order_in_which_it_is_read(tmp_path):
    told = everything()
    async with told_page(tmp_path, told) as page:
        await page.screen(1240, 1000)
        await page.shows("provider-0/model-0")
        went = []
        for _ in range(24):
            await page.press("Tab")
            went.append(
                await page.value(
                    "document.activeElement.id || document.activeElement.className || document.activeElement.textContent"
                )
            )
            if went[-1] == "Explain":
                break
            assert (
                await page.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
            ), went
        assert went[:2] == ["skip", "filter"]
        resets = [word for word in went if word == "Reset"]
        assert went[2 : 2 + len(resets)] == resets  # one for each service that is out
        assert len(resets) == 6
        decisions, rest = went[2 + len(resets) : -3], went[-3:]
        assert decisions[0] == "unusual"
        assert len(decisions) == 4
        assert rest == ["path", "body", "Explain"]


async def test_in_the_background_it_asks_for_nothing(tmp_path):
    told = Told()
    async with told_page(tmp_path, told) as page:
        await page.shows("acme/large")
        await page.value(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
        )
        await page.value("look()")
        before = told.asked
        await asyncio.sleep(2.5)
        assert told.asked == before
        await page.value(
            "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"
        )
        await asyncio.sleep(1.5)
        assert told.asked > before


async def test_where_nothing_is_kept_it_says_so_instead_of_showing_an_empty_list(tmp_path):
    told = Told()
    told.log["enabled"] = False
    async with told_page(tmp_path, told) as page:
        await page.shows(
            "The access log is switched off (PILOTFISH_ACCESS_LOG), and with it this list."
        )
        told.log = {"enabled": True, "sample": 0.01}
        await page.shows(
            "Of those served at the first attempt 1 % are kept (PILOTFISH_ACCESS_LOG_SAMPLE)."
        )


async def test_before_there_are_rules_it_says_what_is_missing(tmp_path):
    told = Told()
    told.services, told.status["ready"] = [], False
    told.rules = {"version": "", "applied_at": None, "sources": [], "names": [], "problems": []}
    async with told_page(tmp_path, told) as page:
        for text in (
            "not ready",
            "No good rules have been read yet",
            "No service yet.",
            "No request yet.",
        ):
            await page.shows(text)
        assert page.complaints == []

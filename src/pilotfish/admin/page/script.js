"use strict";
const EVERY_MS = 1000, HISTORY_MS = 5000, PATIENCE_MS = 5000, POINTS = 60, LISTED = 12, PROBLEMS = 30, NEWS = 20, OPENED = 20, SVG = "http://www.w3.org/2000/svg", NONE = "\u2013";
const TONE = { serving: "good", probing: "wait", cooling: "bad" };
const rows = new Map();   // by service: what is drawn, and the last minute of its figures
let answered = null;      // when the proxy did last
const at = id => document.getElementById(id);

// Everything is shown as text: nothing that a vendor or a client has said is ever read as markup.
function make(tag, text, classes) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = String(text);
  if (classes) made.className = classes;
  return made;
}
// Only what has changed is written: a selection, a reader's place and the focus stay where they are.
function say(node, text, classes) {
  if (node.textContent !== text) node.textContent = text;
  if (classes !== undefined && node.className !== classes) node.className = classes;
}
function once(node, seen, draw) {
  const text = JSON.stringify(seen);
  if (node.dataset.seen === text) return;
  node.dataset.seen = text;
  node.replaceChildren(...draw());
}
const number = (value, digits = 0) => value === null || value === undefined ? NONE : Number(value).toLocaleString("en", { maximumFractionDigits: digits });
const short = value => value < 100_000 ? number(value) : Number(value).toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
const measured = (figure, name, digits) => figure && figure.samples ? number(figure[name], digits) : NONE;
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
const seconds = value => value > 120 ? `${number(value / 60)} min` : `${number(value)} s`;

function announce(text) {
  at("news").append(make("p", text));
  while (at("news").childElementCount > NEWS) at("news").firstChild.remove();
}

// A plot that can be read: the most and the least beside it, a baseline below, gaps where there was nothing.
function plot(classes, spans) {
  const box = make("div", null, "plot"), svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  if (classes) svg.setAttribute("class", classes);
  for (const [tag, name] of [["line", "topline"], ["line", "baseline"], ["path", "first"], ["path", "second"]]) {
    const part = document.createElementNS(SVG, tag);
    part.setAttribute("class", name);
    svg.append(part);
  }
  const most = make("span", "", "most"), least = make("span", "0", "least");
  box.append(most, svg, least);
  if (spans) {
    const ends = make("span", null, "span");
    ends.append(make("span", "15 min ago"), make("span", "now"));
    box.append(ends);
  }
  return { box, svg, most };
}
function drawn(points, places, top) {
  let moved = false;
  return points.map((y, i) => {
    if (y === null || y === undefined) { moved = false; return ""; }
    const to = `${moved ? "L" : "M"}${places - points.length + i} ${(39 - 37 * y / top).toFixed(1)}`;
    moved = true;
    return i + 1 === points.length || points[i + 1] === null ? `${to}h.01` : to;   // one point alone is a dot
  }).join("");
}
function drawPlot({ svg, most }, places, lines, label, shown) {
  const known = lines.flat().filter(y => y !== null && y !== undefined), highest = Math.max(...known, 0), top = Math.max(highest, 1e-9);
  svg.setAttribute("viewBox", `0 0 ${places - 1} 40`);
  for (const [name, y] of [["topline", 2], ["baseline", 39]]) for (const [at, to] of [["x1", 0], ["x2", places - 1], ["y1", y], ["y2", y]]) svg.querySelector(`.${name}`).setAttribute(at, to);
  ["first", "second"].forEach((name, i) => svg.querySelector(`.${name}`).setAttribute("d", lines[i] ? drawn(lines[i], places, top) : ""));
  say(most, known.length ? shown(highest) : "");
  svg.setAttribute("aria-label", known.length ? `${label}: at most ${shown(highest)}, last ${shown(lines[0].at(-1) ?? 0)}` : `${label}: nothing yet`);
}

const percent = value => value === null || value === undefined ? NONE : `${number(value * 100, value < 0.1 ? 1 : 0)} %`;
const dollars = value => value === null || value === undefined ? NONE : `$${number(value, value < 1 ? 4 : 2)}`;
// Tokens without a price are in no cost, which is not a cost of 0.
function costNow(traffic) {
  const known = `${dollars(traffic.usd_per_hour)} /h`;
  if (!traffic.unpriced_tokens) return known;
  return traffic.usd_per_hour ? `${known} + unpriced` : "unpriced";
}
// Title, what it is now, the lines of its plot, how a value is written, the plot's colour.
const TILES = [
  ["Requests", t => `${number(t.requests_per_second, 1)} /s`, ["requests_per_second"], v => number(v, v < 10 ? 1 : 0)],
  ["Errors (5xx, 429)", t => percent(t.error_share), ["error_share"], percent, "errors"],
  ["First token, p50 and p95", t => t.ttft_p50_ms === null ? NONE : `${number(t.ttft_p50_ms)} / ${number(t.ttft_p95_ms)} ms`, ["ttft_p50_ms", "ttft_p95_ms"], v => number(v)],
  ["Output tokens", t => `${number(t.tokens_per_second, 1)} /s`, ["tokens_per_second"], v => number(v, v < 10 ? 1 : 0)],
  ["Cost", costNow, ["usd_per_hour"], dollars],
];
const tiles = TILES.map(([title, , , , classes]) => {
  const box = make("div", null, "tile"), value = make("div", NONE, "value"), made = plot(classes, true);
  box.append(make("h3", title), value, made.box);
  at("tiles").append(box);
  return { value, made };
});
function showTraffic(traffic) {
  TILES.forEach(([, now], i) => say(tiles[i].value, now(traffic), `value${TILES[i][4] && traffic.error_share ? " bad" : ""}`));
}
function showHistory(history) {
  TILES.forEach(([title, , names, shown], i) => drawPlot(tiles[i].made, history.most, names.map(name => history[name]), `${title}, last 15 minutes`, shown));
}

function showLate(late) {
  const had = at("late-section").hidden;
  at("late-section").hidden = !late.count;
  if (had && late.count) announce(`${plural(late.count, "request")} late`);
  say(at("late-count"), late.count ? `${plural(late.count, "request")} in flight without a sign of life for some seconds${late.count > late.requests.length ? `; the ${late.requests.length} that wait longest` : ""}:` : "");
  once(at("late"), late.requests, () => [list("ul", late.requests.map(r => {
    const tries = r.attempts.map(a => `${a.service} waits for ${a.waits_for} (${seconds(a.age_s)})`).join("; ") || "nobody is asked";
    return [`Rule ${r.rule}, ${r.model}: `, make("strong", `silent for ${seconds(r.silent_s)}`), `, ${r.answering ? "answered in part" : "no answer yet"}, ${seconds(r.age_s)} old. ${tries}. `, make("span", r.request_id, "soft code")];
  }))]);
}

const COLUMNS = [
  ["Service", s => s.id],
  ["Rules", null],
  ["State", null],
  ["In flight", s => `${number(s.in_flight)}${s.oldest_in_flight_s ? `, oldest ${seconds(s.oldest_in_flight_s)}` : ""}`],
  ["TTFT p50 / p95, ms", s => s.ttft_ms.samples ? `${measured(s.ttft_ms, "p50")} / ${measured(s.ttft_ms, "p95")}` : NONE, s => s.ttft_ms.avg ?? null, "Average time to first token in ms", v => number(v)],
  ["Tokens/s", s => measured(s.tokens_per_second, "avg", 1)],
  ["Errors", s => number(failures(s)), (s, row) => Math.max(0, failures(s) - row.failed), "Failed attempts a second", v => number(v), "errors"],
  ["Requests", s => number(s.window.requests)],
  ["Tokens in / out", s => `${short(s.window.input_tokens)} / ${short(s.window.output_tokens)}`],
  ["Left of limits", s => Object.entries(s.headroom).filter(([kind, value]) => kind !== "resets_at" && value !== null).map(([kind, value]) => `${short(value)} ${kind.replace("_", " ")}`).join(", ") || NONE],
];
const GOOD_ENDS = ["served", "client_gone", "lost_race"];
const failures = service => Object.entries(service.outcomes).reduce((sum, [word, n]) => GOOD_ENDS.includes(word) ? sum : sum + n, 0);
const stateOf = service => service.active ? service.state : "off";
// Resetting is for who sits at the proxy itself; the proxy refuses all others, too.
const MAY_RESET = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

// A service of several rules is one service: one row, with its rules as chips.
function merged(services) {
  const found = new Map();
  for (const s of services) {
    const id = `${s.provider}/${s.model}`;
    if (!found.has(id)) found.set(id, { ...s, id, rules: [], active: false, outcomes: {} });
    const one = found.get(id);
    one.rules.push(`${s.rule}${s.tier ? `, tier ${s.tier}` : ""}${s.active ? "" : ", off"}`);
    one.active = one.active || s.active;
    for (const [word, n] of Object.entries(s.outcomes)) one.outcomes[word] = (one.outcomes[word] || 0) + n;
  }
  return [...found.values()];
}

function newRow(service) {
  // Roles are given by name: as cards on a phone the elements are laid out as a grid, and some browsers then forget that it is a table.
  const row = { tr: make("tr"), cells: {}, lines: [], failed: failures(service), state: stateOf(service) };
  row.tr.setAttribute("role", "row");
  for (const [name, text, figure, label, written, classes] of COLUMNS) {
    const cell = make(name === "Service" ? "th" : "td", null, { Service: "", Rules: "rule", State: "now", "Left of limits": "" }[name] ?? "figure");
    cell.setAttribute("role", name === "Service" ? "rowheader" : "cell");
    if (name === "Service") cell.scope = "row";
    else cell.dataset.name = name;
    const shown = make(name === "State" ? "span" : "div");
    cell.append(shown);
    row.cells[name] = { cell, shown, text };
    if (figure) {
      const made = plot(classes, false);
      cell.append(made.box);
      row.lines.push({ made, figure, label, written, points: [] });
    }
    row.tr.append(cell);
  }
  const why = make("div", null, "soft"), back = make("div", null, "soft"), reset = make("button", "Reset");
  reset.type = "button";
  reset.setAttribute("aria-label", `Reset ${service.id}: let it serve at once`);
  reset.addEventListener("click", () => resetService(service.id));
  row.cells.State.cell.append(why, back, reset);
  Object.assign(row, { why, back, reset });
  return row;
}

async function resetService(id) {
  try {
    const answer = await asked("/reset", { method: "POST", body: JSON.stringify({ service: id }), headers: { "content-type": "application/json" } });
    const said = await answer.json();
    say(at("done"), answer.ok ? `${id} serves again, by hand.` : `${id} was not reset: ${said.error.message}`, answer.ok ? "good" : "bad");
  } catch (error) {
    say(at("done"), `${id} was not reset: ${error.message}`, "bad");
  }
  look();
}

function why(service) {
  const keys = service.credentials || [], out = keys.filter(k => k.state !== "serving");
  const said = service.reason ? [service.reason] : [];
  if (out.length) said.push(`${out.length} of ${plural(keys.length, "key")} out: ${out.map(k => `${k.source || "key"} ${k.reason || k.state}`).join(", ")}`);
  return said.join("; ");
}
// When it may be asked again, and which step of the cooldown this is.
function wayBack(service) {
  if (stateOf(service) === "serving" || stateOf(service) === "off") return "";
  const step = service.step ?? service.trips;
  const since = service.since ? `since ${new Date(service.since).toLocaleTimeString()}` : "";
  const next = service.state === "probing" ? "on trial now" : service.until ? `next trial at ${new Date(service.until).toLocaleTimeString()}${service.seconds_left ? `, in ${seconds(service.seconds_left)}` : ""}` : "";
  return [since, next, step ? `step ${step}` : ""].filter(Boolean).join("; ");
}

function updateRow(row, service) {
  const state = stateOf(service);
  for (const { shown, text } of Object.values(row.cells)) if (text) say(shown, text(service));
  say(row.cells.State.shown, state, `state ${state} ${TONE[state] || "soft"}`);
  const marks = [...(service.tags || []).map(tag => `#${tag}`), ...new Set((service.credentials || []).filter(k => k.user_id).map(k => `account ${k.user_id}`))];
  once(row.cells.Rules.shown, [service.rules, service.price, marks], () => [...[...service.rules, ...marks].map(name => make("span", name, "chip")), ...(service.price === null ? [make("span", "no price", "chip wait")] : [])]);
  say(row.why, why(service));
  say(row.back, wayBack(service));
  row.reset.hidden = !MAY_RESET || state === "serving" || state === "off";
  for (const line of row.lines) {
    line.points.push(line.figure(service, row));
    if (line.points.length > POINTS) line.points.shift();
    drawPlot(line.made, POINTS, [line.points], `${line.label}, last ${plural(line.points.length, "second")}`, line.written);
  }
  row.failed = failures(service);
  if (state !== row.state) announce(`${service.id} of rule ${service.rules[0]}: ${state}${service.reason ? `, ${service.reason}` : ""}`);
  row.state = state;
  row.words = `${service.id} ${service.rules.join(" ")} ${marks.join(" ")} ${state}`.toLowerCase();
}

function showServices(services) {
  const all = merged(services);
  const drawn = all.map(service => {
    if (!rows.has(service.id)) rows.set(service.id, newRow(service));
    updateRow(rows.get(service.id), service);
    return service.id;
  });
  const here = new Set(drawn);
  for (const key of [...rows.keys()]) if (!here.has(key)) rows.delete(key);
  once(at("rows"), drawn, () => drawn.map(key => rows.get(key).tr));
  at("filtering").hidden = all.length <= LISTED;
  filter();
  const states = all.filter(s => s.active), serve = states.length;
  const names = states.filter(s => s.state !== "serving").map(s => `${s.id} (${s.state})`);
  const listed = names.slice(0, LISTED).join(", ") + (names.length > LISTED ? ` and ${names.length - LISTED} more` : "");
  once(at("out"), [names, serve], () => [names.length ? make("p", `${names.length} of ${plural(serve, "service")} out: ${listed}`, "bad") : make("p", serve ? `${serve === 1 ? "The one service serves" : `All ${serve} serve`}.` : "No service yet.", "soft")]);
  const title = names.length ? `${names.length} out - Pilotfish` : "Pilotfish";
  if (document.title !== title) document.title = title;
}

function filter() {
  const wanted = at("filtering").hidden ? "" : at("filter").value.trim().toLowerCase();
  for (const row of rows.values()) if (row.tr.hidden !== !row.words.includes(wanted)) row.tr.hidden = !row.tr.hidden;
}

function list(tag, items) {
  const made = make(tag);
  made.append(...items.map(item => {
    const line = make("li");
    line.append(...[item].flat());
    return line;
  }));
  return made;
}

const unfolded = new Set();   // what somebody has opened stays open when it is drawn anew
function folded(title, items, name) {
  const made = make("details");
  made.open = unfolded.has(name);
  made.addEventListener("toggle", () => unfolded[made.open ? "add" : "delete"](name));
  made.append(make("summary", title), list("ul", items));
  return made;
}

function showRules(rules, services, scenarios) {
  const names = rules.names.concat(rules.virtual_models || []);
  const notes = rules.notes || [], changes = rules.changes;
  once(at("rules"), [rules.version, rules.applied_at, rules.sources, names.length, notes, scenarios], () => [
    make("div", rules.version ? `Version ${rules.version}, in force since ${new Date(rules.applied_at).toLocaleString()}` : "No good rules have been read yet", rules.version ? "" : "bad"),
    make("div", `From ${rules.sources.join(", ") || "nowhere"}`, "soft code"),
    ...(names.length ? [] : [make("div", "Rules: none", "soft")]),
    ...(notes.length ? [list("ul", notes)] : []),
    ...scenarios.map(s => make("div", `Scenario ${s.name}: ${Object.entries(s.flags).map(([flag, on]) => on ? flag : `not ${flag}`).join(", ") || "no flags"}${Object.keys(s.extensions).length ? `; extensions ${JSON.stringify(s.extensions)}` : ""}`, "soft")),
  ]);
  once(at("changes"), changes, () => {
    const parts = changes ? ["added", "changed", "removed"].filter(kind => changes[kind].length).map(kind => `${kind} ${changes[kind].join(", ")}`) : [];
    return parts.length ? [make("div", `The last change: ${parts.join("; ")}`)] : [];
  });
  // Each rule with its candidates, lowest tier first.
  const of = new Map(names.map(name => [name, []]));
  for (const s of services) if (of.has(s.rule)) of.get(s.rule).push([s.tier, `${s.provider}/${s.model}`, stateOf(s), s.weight]);
  const seen = [...of].map(([name, candidates]) => [name, candidates.sort((a, b) => a[0] - b[0])]);
  once(at("each-rule"), seen, () => {
    const each = seen.map(([name, candidates]) => folded(`${name}: ${plural(candidates.length, "service")}`, candidates.map(([tier, id, state, weight]) => [`${id}, tier ${tier}, weight ${number(weight, 2)}: `, make("span", state, TONE[state] || "soft")]), name));
    if (names.length <= LISTED) return each;
    const all = make("details");
    all.append(make("summary", plural(names.length, "rule")), ...each);
    return [all];
  });
  // An alert that is written anew is read out anew.
  once(at("problems"), rules.problems, () => rules.problems.length ? [
    make("strong", `Problems in the rules read last${rules.version ? "; those in force are older" : ""}`, "bad"),
    ...(rules.problems.length > PROBLEMS ? [make("p", `The first ${PROBLEMS} of ${number(rules.problems.length)}:`)] : []),
    list("ul", rules.problems.slice(0, PROBLEMS).map(p => `${p.source ? p.source + ": " : ""}${p.path ? p.path + ": " : ""}${p.message}`)),
  ] : []);
}

function showRaces(races) {
  at("races-section").hidden = !races.length;
  once(at("races"), races, () => races.map(race => {
    const box = make("div");
    box.append(make("strong", race.virtual_model), list("ul", race.services.map(s => `${s.service}: ${number(s.wins, 1)} won, ${number(s.losses, 1)} lost, score ${s.score}${s.latency_ms === null ? "" : `, ${number(s.latency_ms)} ms`}, ${plural(s.races_total, "race")}`)));
    return box;
  }));
}

const amount = (value, kind) => kind === "usd" ? dollars(value) : `${short(value)} tokens`;
const WHEN_SPENT = { warn: "then a warning", cheaper: "then the cheapest first", reject: "then 429" };
function showBudgets(budgets) {
  at("budgets-section").hidden = !budgets.length;
  once(at("budgets"), budgets, () => [list("ul", budgets.map(b => {
    const left = make("strong", b.until ? "spent" : `${amount(b.left, b.kind)} left`, b.until ? "bad" : "");
    return [`${b.scope} ${b.name}: `, left, ` of ${amount(b.limit, b.kind)} a day, ${WHEN_SPENT[b.action]}${b.until ? `; room again from ${new Date(b.until).toLocaleString()}` : ""}`];
  }))]);
}

const named = (title, items, tag = "ul") => items && items.length ? [make("p", title), list(tag, items)] : [];
const others = entries => (entries || []).map(e => `${e.service}: ${e.why}`);

function attempt(a) {
  const kind = `${a.hedge ? ", a hedge" : ""}${a.rescue ? ", a rescue" : ""}${a.forced ? ", forced" : ""}`;
  const said = [make("div", `${a.service}: ${a.outcome} after ${number(a.duration_ms)} ms${kind}`), make("div", a.why ? `Why: ${a.why}` : "", "soft")];
  if (a.error) said.push(make("div", a.error, "bad"));
  return [...said, ...named("Passed over:", others(a.passed_over))];
}

function decision(record) {
  const made = make("details"), summary = make("summary"), tried = record.attempts.length, because = record.why || {};
  made.dataset.id = record.request_id;
  const took = record.duration_ms === undefined ? record.reason : `${number(record.duration_ms)} ms, ${plural(tried, "attempt")}`;
  summary.append(make("span", record.code, `state ${record.code < 400 ? "good" : "bad"}`), ` ${record.model || record.path} \u2192 ${record.service || "nobody"} `, make("span", took, "soft"));
  made.append(summary, make("p", record.rule ? `Rule ${record.rule}${because.rule ? `: ${because.rule}` : ""}` : `No rule took it${record.reason ? `: ${record.reason}` : ""}`));
  if (because.smart_routing) made.append(make("p", `Smart routing: ${because.smart_routing}`));
  made.append(...named("Asked, in this order:", record.attempts.map(attempt), "ol"));
  made.append(...named(tried ? "Before or after that nobody was usable:" : "Nobody was usable:", others(because.none_usable)), ...named("Never asked:", others(because.left_out)));
  const figures = [["first token", record.ttft_ms, "ms"], ["overhead", record.overhead_ms, "ms"], ["input tokens", record.input_tokens, ""], ["output tokens", record.output_tokens, ""]];
  const known = figures.filter(f => f[1] !== null && f[1] !== undefined).map(f => `${f[0]} ${number(f[1], 1)} ${f[2]}`.trim());
  made.append(make("p", [...known, ...(record.error ? [record.error] : []), ...(record.dropped ? [`dropped ${record.dropped.join(", ")}`] : [])].join(", "), "soft"));
  made.append(make("p", `${record.time} ${record.request_id}`, "soft code"));
  return made;
}

// New ones come on top of what is there. One that is open, or has the focus, stays until it is left.
function showRecent(records, log) {
  const box = at("recent"), drawn = new Map([...box.children].map(made => [made.dataset.id, made]));
  const wanted = new Set(records.map(r => r.request_id));
  let opened = 0;
  for (const [id, made] of drawn) {
    if (!wanted.has(id) && !(made.open && ++opened <= OPENED) && !made.contains(document.activeElement)) made.remove();
  }
  const news = records.filter(r => !drawn.has(r.request_id)).map(decision);
  if (news.length) box.prepend(...news);
  const often = log.sample < 1 ? `Of those served at the first attempt ${number(log.sample * 100, 2)} % are kept (PILOTFISH_ACCESS_LOG_SAMPLE).` : "";
  say(at("kept"), log.enabled ? [box.childElementCount ? "" : at("unusual").checked ? "None so far." : "No request yet.", often].join(" ").trim() : "The access log is switched off (PILOTFISH_ACCESS_LOG), and with it this list.");
}

function explanation(said) {
  const made = [make("p", said.rule ? `Rule ${said.rule}: ${said.why}` : said.why || (said.error && said.error.message), said.rule ? "" : "bad")];
  const smart = said.smart_routing;
  if (smart) made.push(...named("Smart routing:", smart.checked.map(c => `block ${c.block}${c.description ? ` (${c.description})` : ""} ${c.matched ? "matches" : "does not match"}: ${c.why}`)));
  if (said.rule && !said.candidates.length) made.push(make("p", "Nobody could be asked now.", "bad"));
  made.push(...named(`Would be asked, in this order${said.tactic ? `, by ${said.tactic}` : ""}:`, (said.candidates || []).map(c => `${c.service} (tier ${c.tier})${c.why ? ": " + c.why : ""}`), "ol"));
  made.push(...named("Left out:", others(said.left_out)));
  return made;
}

const asked = (path, options) => fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), ...options });

at("explain").addEventListener("submit", async event => {
  event.preventDefault();
  try {
    const answer = await asked(`/explain?path=${encodeURIComponent(at("path").value)}`, { method: "POST", body: at("body").value, headers: { "content-type": "application/json" } });
    at("answer").replaceChildren(...explanation(await answer.json()));
  } catch (error) {
    at("answer").replaceChildren(make("p", `The proxy did not answer: ${error.message}`, "bad"));
  }
});
at("filter").addEventListener("input", filter);
at("unusual").addEventListener("change", () => { at("recent").replaceChildren(); look(); });

function ready(text, good) {
  const before = at("ready").textContent;
  say(at("ready"), text, `state ${good ? "good" : "bad"}`);
  at("main").classList.toggle("stale", text === "no answer");
  if (text === "no answer" && before !== text) say(at("about"), answered ? `what is shown is of ${answered.toLocaleTimeString()}` : "");
}

// A model to try that there is: what was asked for last, else one that a rule takes.
let suggested = false;
function suggest(records, rules) {
  const model = (records.find(r => r.model && r.rule) || {}).model || (rules.models || [])[0], body = at("body");
  if (suggested || !model) return;
  suggested = true;
  if (body.value === body.defaultValue) body.value = JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] });
}

let timer = null, turn = 0, history_at = 0;
async function look() {
  const mine = ++turn;   // of two that overlap the later one goes on
  clearTimeout(timer);
  try {
    const unusual = at("unusual").checked;
    const draws = Date.now() - history_at >= HISTORY_MS;
    const [status, recent, past] = await Promise.all([asked("/status"), asked(`/recent${unusual ? "?unusual=1" : ""}`), draws ? asked("/history") : null]);
    const known = await status.json(), records = await recent.json(), history = past ? await past.json() : null;
    if (mine !== turn) return;
    if (history) { history_at = Date.now(); showHistory(history); }
    answered = new Date();
    ready(known.draining ? "draining" : known.ready ? "ready" : "not ready", known.ready);
    say(at("about"), `version ${known.version}, ${number(known.in_flight)} in flight`);
    showTraffic(known.traffic);
    showLate(known.late);
    showServices(known.services);
    showRules(known.rules, known.services, known.scenarios || []);
    showRaces(known.races);
    showBudgets(known.budgets || []);
    showRecent(records, known.access_log);
    suggest(records, known.rules);
  } catch (error) {
    if (mine !== turn) return;
    ready("no answer", false);
  }
  if (!document.hidden) timer = setTimeout(look, EVERY_MS);
}
// Nobody looks at a page in the background: it asks again when it is seen again.
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

for (const [name] of COLUMNS) {
  const made = make("th", name);
  made.scope = "col";
  made.setAttribute("role", "columnheader");
  at("columns").append(made);
}
look();

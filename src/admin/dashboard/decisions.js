// Live decisions: each request with its target, or why it was refused. There are filters, a pause, and "why?" for each
// decision.

import * as api from "./api.js";
import { addToBlacklist } from "./blacklist.js";
import { address, bodyOf, button, byId, foreign, labelled, make, select, setText, textField, visible } from "./dom.js";
import { ANSWERED, absoluteTime, clockTime, counted, now, schemeName, sentence } from "./format.js";
import { answerTo } from "./answer.js";
import { REASONS, inWords, isSuspicious } from "./reasons.js";
import { filterForm, serviceFilter } from "./table.js";

// How many rows are shown. The API has the newest 10,000.
const ROWS = 100;
// How often news is drawn, in milliseconds. If many decisions come in between, only the newest rows are drawn.
const PAUSE = 400;

const NOTHING = "Nothing was asked for yet. Each request is shown here as soon as it is decided.";

const rows = make("tbody", { role: "rowgroup" });
const note = make("p", { class: "note", role: "status" });
const empty = make("p", { class: "empty" }, NOTHING);
const pause = button("Pause", () => hold(!isPaused), { id: "pause", "aria-pressed": "false" });

// Decisions that have come and are not drawn yet, the oldest first.
let waiting = [];
// How many decisions the API could not send, because they came too fast.
let missed = 0;
// When a new stream began while the rows of an earlier one were shown. These rows stay until the new stream has rows or
// turns out to have none.
let staleSince = null;
// When the list was last drawn, by Portward's clock.
let drawnAt = 0;
let isPaused = false;
// Whether the pointer or the focus is in the list. If so, its rows do not move.
let isRead = false;
// The form with the filters.
let form = null;
// The controller that ends the current stream.
let stream = null;
// The timer that draws news.
let timer = null;

export const decisions = {
  start() {
    form = filterForm("Filters of the decisions", filter,
      serviceFilter("d-service"),
      labelled("Outcome", select("d-outcome", [["", "all"], ["forwarded", "let in"], ["rejected", "refused"]])),
      labelled("Reason", select("d-reason", [["", "all"], ...REASONS.map((one) => [one, `${one}: ${inWords(one)}`])])),
      labelled("Client", textField("d-client", { placeholder: "203.0.113.9" })),
      labelled("Host", textField("d-host", { placeholder: "pbx.example.net" })),
      pause);
    const head = make("tr", { role: "row" }, ["Time", "Client", "Asked for", "Outcome"].map((name) =>
      make("th", { scope: "col", role: "columnheader" }, name)), make("th", { scope: "col", role: "columnheader", class: "actions" }, make("span", { class: "unseen" }, "Why")));
    const table = make("table", { role: "table", id: "decisions", class: "decisions" },
      make("caption", { class: "unseen" }, "The newest decisions, the newest first"), make("thead", { role: "rowgroup" }, head), rows);
    const list = make("div", { class: "table live" }, table, empty);
    list.addEventListener("pointerenter", () => read(true));
    list.addEventListener("pointerleave", () => read(list.contains(document.activeElement)));
    list.addEventListener("focusin", () => read(true));
    list.addEventListener("focusout", (event) => read(list.contains(event.relatedTarget) || list.matches(":hover")));
    bodyOf("now").append(make("div", { class: "live-head" }, make("h3", {}, "Decisions"), note), form, list);
  },

  resume() {
    follow();
    timer = setInterval(drawNews, PAUSE);
  },

  stop() {
    stream?.abort();
    clearInterval(timer);
  },

  forget: clear,
};

function filters() {
  const value = (id) => byId(id).value.trim();
  return { service: value("d-service"), outcome: value("d-outcome"), reason: value("d-reason"), client: value("d-client"), host: value("d-host") };
}

// Follows from the beginning: at the start, after a change of the filters, and when the connection comes back. The
// stream begins with earlier decisions, so that nothing is shown twice and the newest ones are complete.
async function follow() {
  stream?.abort();
  const mine = new AbortController();
  stream = mine;
  waiting = [];
  missed = 0;
  say("");
  const url = api.path("/v1/decisions", { ...filters(), limit: ROWS, follow: 1 });
  for (let wait = 1; stream === mine; wait = Math.min(wait * 2, 10)) {
    try {
      let isNew = true;
      for await (const all of api.events(url, mine.signal)) {
        if (stream !== mine) return;
        if (isNew) {
          isNew = false;
          wait = 1;
          staleSince = Date.now();
          if (form.hidden) setText(empty, NOTHING);
          form.hidden = false;
          waiting = [];
          say("");
        }
        all.forEach(take);
      }
    } catch (error) {
      if (stream !== mine || error.name === "AbortError" || error.status === 401) return;
      if (error instanceof api.Refused) refused(error);
      else if (!(error instanceof api.Unreachable)) console.error(error);
      // A wrong filter stays wrong, so there is no retry. But a reload may change that no decisions are kept.
      if (error.status === 400) return;
    }
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

// Shows in place of the list why there is none: a wrong filter, or no decisions are kept.
function refused(error) {
  if (error.status !== 400 && error.status !== 409) return say(error.message);
  clear();
  setText(empty, sentence(error.message.replaceAll("`", "")));
  form.hidden = error.status === 409;
}

// After a change of the filters the list is built again at once, even if it is paused.
function filter() {
  clear();
  setText(empty, Object.values(filters()).some((value) => value !== "")
    ? "No decision passes these filters. What comes and passes is shown here."
    : NOTHING);
  follow();
}

function clear() {
  waiting = [];
  rows.replaceChildren();
  drawNews();
}

function take({ kind, data }) {
  if (kind === "decision") {
    waiting.push(data);
    // Rows beyond the newest would be drawn and removed at once, so they are dropped here.
    if (waiting.length > 2 * ROWS) waiting = waiting.slice(-ROWS);
  } else if (kind === "missed") {
    missed += data.missed;
  } else if (kind === "end") {
    say(data.note);
  }
}

let trouble = "";
function say(text) {
  trouble = text;
  drawNote();
}

function drawNote() {
  // The decisions with which a new stream begins are older, and are no news.
  const news = waiting.filter((one) => Date.parse(one.time) > drawnAt).length;
  const held = news >= ROWS ? `${ROWS} or more` : `${news}`;
  const parts = [];
  if (trouble !== "") parts.push(trouble);
  if (isPaused) parts.push(`Paused. ${held} new.`);
  else if (rows.querySelector(".detail") !== null) parts.push(`The list stands still while an answer is open: ${held} new.`);
  else if (isRead && news > 0) parts.push(`The list stands still while you are in it: ${held} new.`);
  if (missed > 0) parts.push(`${counted(missed, "decision")} came too fast to be shown.`);
  setText(note, parts.join(" "));
}

function hold(paused) {
  isPaused = paused;
  pause.setAttribute("aria-pressed", String(paused));
  setText(pause, paused ? "Go on" : "Pause");
  drawNews();
}

function read(isIn) {
  isRead = isIn;
  drawNews();
}

function drawNews() {
  // An empty list is always filled.
  const isFree = rows.firstChild === null || !(isPaused || isRead || rows.querySelector(".detail") !== null);
  if (isFree) drawnAt = now();
  if (isFree && staleSince !== null && (waiting.length > 0 || Date.now() - staleSince > 2 * PAUSE)) {
    rows.replaceChildren();
    staleSince = null;
  }
  if (isFree && waiting.length > 0) {
    const news = waiting.slice(-ROWS).reverse();
    waiting = [];
    rows.prepend(...news.map(row));
    while (rows.childElementCount > ROWS) rows.lastElementChild.remove();
  }
  empty.hidden = rows.firstChild !== null;
  rows.parentElement.hidden = rows.firstChild === null;
  drawNote();
}

function row(one) {
  const isRefused = one.outcome === "rejected";
  const cell = (name, kind, ...content) => make("td", { role: "cell", class: kind, "data-name": name }, make("div", {}, content));
  const date = new Date(one.time);
  const element = make("tr", { role: "row", class: isRefused ? "refused" : "" },
    cell("Time", "time", make("time", { datetime: one.time, title: absoluteTime(date), "data-fixed": true }, clockTime(date))),
    cell("Client", "client", address(one.client)),
    cell("Asked for", "asked", make("span", { class: "badge" }, schemeName(one.service, one.carrier)), " ", asked(one)),
    cell("Outcome", "outcome", outcome(one)),
    cell("Why", "actions", button("Why?", () => why(element, one), { class: "small why", "aria-expanded": "false", "aria-label": visible(`Why? ${one.client} ${one.identity ?? ""}`) })));
  return element;
}

function asked(one) {
  const what = one.method ?? one.operation ?? one.message ?? "";
  const rest = one.service === "http" ? one.path ?? "" : one.alias ?? one.user ?? "";
  return [what && make("span", { class: "method" }, `${what} `), foreign(`${one.identity ?? ""}${one.service === "http" ? rest : ""}`),
    one.service !== "http" && rest !== "" && [" ", foreign(rest)],
    one.cut && make("span", { class: "quiet", title: "It is longer. Only its beginning is kept." }, "…"), one.service === "http" && one.user && make("span", { class: "quiet" }, " as ", foreign(one.user))];
}

function outcome(one) {
  if (one.outcome === "rejected") {
    const at = [one.cause, one.target].filter(Boolean).join(", ");
    return [make("span", { class: "reason", title: inWords(one.reason) }, one.reason),
      make("span", { class: "cause" }, ` ${at === "" ? inWords(one.reason) : at}`)];
  }
  if (one.outcome === "forwarded") return [make("span", { "aria-hidden": "true" }, "→ "), make("span", { class: "unseen" }, "goes to "), address(one.target ?? "")];
  return make("span", {}, ANSWERED[one.outcome] ?? one.outcome);
}

// Shows below a row what the current rules say about the request, or hides that again.
async function why(element, one) {
  const opener = element.querySelector("button.why");
  const next = element.nextElementSibling;
  if (next?.classList.contains("detail")) {
    next.remove();
    opener.setAttribute("aria-expanded", "false");
    return;
  }
  opener.setAttribute("aria-expanded", "true");
  const content = make("div", { class: "answer" }, make("p", { class: "hint" }, "Asking…"));
  element.after(make("tr", { role: "row", class: "detail" }, make("td", { role: "cell", colspan: 5 }, content)));
  const line = make("p", { class: "line" }, foreign(one.line));
  const listing = isSuspicious(one.reason) &&
    button("Blacklist this client…", () => addToBlacklist(one.client, one.reason), { class: "small", "data-change": true });
  content.replaceChildren(line, await answerTo(one.question, one), make("p", { class: "buttons" }, listing));
  content.scrollIntoView({ block: "nearest" });
}

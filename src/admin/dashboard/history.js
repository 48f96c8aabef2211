// The curves of the last hour by service, and the busiest hosts and clients of the last minutes.

import * as api from "./api.js";
import { bodyOf, button, foreign, make } from "./dom.js";
import { LET_IN, SERVICES, count, serviceName } from "./format.js";
import { Curve } from "./curve.js";
import { addToBlacklist } from "./blacklist.js";
import { inWords, isSuspicious } from "./reasons.js";
import { startedAt } from "./status.js";

// 360 steps of ten seconds are an hour. A test compares this with the daemon.
const STEPS = 360;

const curves = new Map();
// The known part of the last hour: counts by service, one for each step. `run`: when the daemon that has counted was
// started. `end`: the number of the step after the last one. `time`: when that step begins.
let known = null;

const busy = make("div", { class: "tops" });

export const history = {
  seconds: 5,

  start() {
    const place = make("div", { class: "curves" });
    for (const service of SERVICES) {
      const curve = new Curve(serviceName(service));
      curves.set(service, curve);
      place.append(curve.element);
    }
    const legend = make("p", { class: "legend" },
      make("span", { class: "key let-in" }, "let in"), make("span", { class: "key refused" }, "refused"),
      make("span", {}, "requests a second, last hour"));
    bodyOf("now").append(legend, place, busy);
  },

  async refresh() {
    // After a restart of Portward the steps are counted from the beginning.
    if (known !== null && known.run !== startedAt()) known = null;
    const after = known?.end;
    const answer = await api.get(api.path("/v1/history", { after }));
    // Two questions may be on their way at a time. The steps of the second answer are known already then.
    if (after !== known?.end) return;
    take(answer);
    for (const service of SERVICES) {
      const { letIn, refused, open } = known[service];
      curves.get(service).show({ letIn, refused, open: open.at(-1) ?? 0, step: answer.step, end: known.time });
    }
    top(await api.get("/v1/top?limit=5"));
  },

  forget() {
    known = null;
    busy.replaceChildren();
    delete busy.dataset.shown;
  },
};

// Adds new steps after the known ones.
function take(answer) {
  if (known === null || answer.first !== known.end) {
    known = { run: startedAt() };
    for (const service of SERVICES) known[service] = { letIn: [], refused: [], open: [] };
  }
  for (const service of SERVICES) {
    const columns = answer.services[service];
    const letIn = columns.rejected.map((_, at) => LET_IN.reduce((sum, outcome) => sum + columns[outcome][at], 0));
    const of = known[service];
    of.letIn = [...of.letIn, ...letIn].slice(-STEPS);
    of.refused = [...of.refused, ...columns.rejected].slice(-STEPS);
    of.open = [...of.open, ...columns.open].slice(-STEPS);
  }
  known.end = answer.first + answer.count;
  if (answer.count > 0) known.time = Date.parse(answer.start) + answer.count * answer.step * 1000;
}

// Portward estimates these counts. The true count lies between `count` minus `over` and `count`. An entry is left out
// if more than half of its count may be too much.
const certain = (all) => all.filter(({ count: number, over }) => over * 2 <= number);

function top(answer) {
  const [hosts, clients, refused] = [certain(answer.hosts), certain(answer.clients), certain(answer.refused)];
  const { seconds } = answer;
  const minutes = Math.max(1, Math.round(seconds / 60));
  const list = (title, items, empty) => make("div", { class: "top" }, make("h3", {}, title),
    items.length > 0 ? make("ol", {}, items) : make("p", { class: "empty" }, empty));
  const item = (name, number, ...more) => make("li", {}, foreign(name), make("span", { class: "number" }, count(number)), ...more);
  const listing = (client, reason) => button("Blacklist…", () => addToBlacklist(client, reason ?? ""),
    { class: "small", "data-change": true, "aria-label": `Blacklist ${client}` });
  const signature = JSON.stringify([hosts, clients, refused]);
  if (busy.dataset.shown === signature || busy.contains(document.activeElement)) return;
  busy.dataset.shown = signature;
  const time = `last ${minutes === 1 ? "minute" : `${minutes} minutes`}`;
  busy.replaceChildren(
    list(`Busiest hosts, ${time}`, hosts.map(({ host, count: number }) => item(host, number)), "No host was reached."),
    list(`Busiest clients, ${time}`, clients.map(({ client, count: number }) => item(client, number)), "No client has come."),
    list(`Refused most, ${time}`, refused.map(({ client, count: number, reason }) =>
      item(client, number, reason && make("span", { class: "reason", title: inWords(reason) }, `last: ${reason}`), isSuspicious(reason) && listing(client, reason))), "No client was refused."),
  );
}

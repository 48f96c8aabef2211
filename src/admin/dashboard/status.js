// "Is anything wrong?": the things to look at, or one line that says there is nothing. It also sets the head of the
// page.

import * as api from "./api.js";
import { showTenants } from "./tenants.js";
import { bodyOf, byId, make, setText } from "./dom.js";
import { count, counted, duration, time } from "./format.js";
import { finding } from "./findings.js";

let shown = "";
let since = null;

// When this Portward was started, as text. Null: not known yet.
export const startedAt = () => since;

export const status = {
  seconds: 5,

  start() {
    bodyOf("wrong").replaceChildren(make("div", { id: "findings" }), make("dl", { id: "facts" }));
  },

  forget() {
    shown = "";
    byId("findings").replaceChildren();
    byId("facts").replaceChildren();
  },

  async refresh() {
    const [answer, listeners] = await Promise.all([api.get("/v1/status"), api.get("/v1/listeners?limit=1000")]);
    since = answer.since;
    const closed = listeners.listeners.filter((one) => !one.open);
    const troubles = found(answer, closed);
    head(answer, troubles);
    // Unchanged findings are not written again, because a screen reader would read them again.
    const text = JSON.stringify(troubles);
    if (text !== shown) {
      shown = text;
      show(troubles);
    }
    facts(answer);
    showTenants(answer.rules.tenants > 0);
  },
};

// The things to look at, the worst first.
function found(answer, closed) {
  const all = [];
  const last = answer.last_reload;
  if (last !== null && !last.successful) {
    all.push({ severity: "error", message: "The last reload was refused.", since: last.at, details: last.error,
      help: "The rules before it are still in force. Mend the file, then reload." });
  }
  for (const { address, scheme, service, why } of closed) {
    all.push({ severity: "error", message: `The port ${address} (${scheme ?? service}) is not open: ${why ?? "it is not known why"}` });
  }
  all.push(...down(answer.warnings.filter(({ target }) => target !== null)));
  all.push(...answer.warnings.filter(({ target }) => target === null));
  const more = answer.warning_count - answer.warnings.length;
  if (more > 0) all.push({ severity: "warning", message: `${counted(more, "more warning")}: portward check shows them all` });
  if (answer.log_dropped > 0) {
    all.push({ severity: "warning", message: `${counted(answer.log_dropped, "line of the log", "lines of the log")} could not be written`,
      help: "The log is written more slowly than lines come." });
  }
  return all.sort((one, other) => Number(other.severity === "error") - Number(one.severity === "error"));
}

// Targets that are down: one finding each, or a single finding if there are many.
function down(warnings) {
  if (warnings.length <= 3) return warnings.map((one) => ({ ...one, severity: "error" }));
  return [{ severity: "error", message: `${counted(warnings.length, "target")} are down.`, since: warnings.map(({ since }) => since).sort()[0],
    help: "The section Targets says which hosts need them.", details: warnings.map(({ message }) => message).join("\n") }];
}

// How many findings are shown at first.
const SHOWN = 6;

function show(troubles) {
  const place = byId("findings");
  if (troubles.length === 0) {
    place.replaceChildren(make("p", { class: "good" }, "Nothing is wrong."));
    return;
  }
  const items = troubles.map((one) => finding(one, one.since && make("span", { class: "when" }, time(one.since))));
  const rest = items.splice(SHOWN);
  place.replaceChildren(make("ul", { class: "findings" }, items));
  if (rest.length > 0) {
    place.append(make("details", { class: "rest" }, make("summary", {}, `${counted(rest.length, "more thing")} to look at`), make("ul", { class: "findings" }, rest)));
  }
}

function head(answer, troubles) {
  const pill = byId("state");
  const isBad = troubles.some(({ severity }) => severity === "error");
  document.title = troubles.length === 0 ? "Portward" : `(${troubles.length}) Portward`;
  pill.className = `pill ${troubles.length === 0 ? "good" : isBad ? "bad" : "warn"}`;
  setText(pill, troubles.length === 0 ? "Nothing is wrong" : `${counted(troubles.length, "thing")} to look at`);
  setText(byId("about"), `${answer.version} · up ${duration(answer.uptime)}`);
}

// The most important numbers.
function facts({ rules, connections, blacklist, last_reload: last }) {
  const disabled = rules.disabled > 0 ? `, ${count(rules.disabled)} disabled` : "";
  const all = [
    ["Open connections", count(connections)],
    ["Hosts", `${count(rules.hosts)}${disabled}`],
    rules.tenants > 0 && ["Tenants", count(rules.tenants)],
    ["Blacklisted", count(blacklist)],
    ["Rules in force", [make("span", { title: `generation ${rules.generation}` }, "for "), time(rules.since, { bare: true })]],
    last !== null && ["Last reload", [last.successful ? "good, " : "refused, ", time(last.at), ` by ${last.by}`]],
  ].filter(Boolean);
  byId("facts").replaceChildren(...all.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

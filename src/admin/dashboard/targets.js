// Targets: every address to which the rules lead, its state, and how fast it answers.

import * as api from "./api.js";
import { address, bodyOf, byId, foreign, labelled, make, select, textField } from "./dom.js";
import { count, milliseconds, serviceName, time } from "./format.js";
import { Page, Table, filterForm } from "./table.js";

const table = new Table({
  caption: "Targets, by their addresses",
  key: ({ target }) => target,
  empty: "No rule leads to a target yet.",
  columns: [
    { name: "Target", cell: (one) => [address(one.target), one.names.length > 0 && foreign(` ${one.names.join(", ")}`, { class: "code quiet" })] },
    { name: "For", cell: (one) => [one.services.map((service) => [make("span", { class: "badge" }, serviceName(service)), " "]), hostsOf(one)] },
    { name: "State", cell: state },
    { name: "Open", kind: "number", cell: (one) => count(one.open) },
    { name: "Connect", kind: "number", cell: (one) => timing(one.connect) },
    { name: "First byte", kind: "number", cell: (one) => timing(one.first_byte) },
    { name: "Failed", kind: "number", cell: failures },
  ],
});

const page = new Page(table, () => targets.refresh(), "A filter finds the others.");

function hostsOf({ hosts, host_count: all }) {
  if (hosts.length === 0) return null;
  const more = all > 1 ? ` and ${count(all - 1)} more` : "";
  return make("span", { class: "quiet", title: hosts.join("\n") }, foreign(hosts[0]), more);
}

function state({ state: name, since, why, checked }) {
  const kind = { up: "good", down: "bad", unknown: "off" }[name];
  const title = checked ? "It is checked again and again." : "No check is configured: what is known comes from connections.";
  return [make("span", { class: `pill ${kind}`, title }, name),
    since === null ? null : make("span", { class: "quiet" }, " for ", time(since, { bare: true })),
    why === null ? null : make("span", { class: "cause" }, `: ${why}`)];
}

function timing({ recent, longest, count: number }) {
  return number === 0 ? make("span", { class: "quiet" }, "–") : make("span", { title: `longest of the last minutes: ${milliseconds(longest)}` }, milliseconds(recent));
}

function failures({ failures: causes, last_failure: last }) {
  const all = Object.values(causes).reduce((sum, one) => sum + one, 0);
  if (all === 0) return make("span", { class: "quiet" }, "0");
  const lines = Object.entries(causes).map(([cause, number]) => `${cause}: ${number}`);
  return make("span", { title: `Connections for clients that failed:\n${lines.join("\n")}${last === null ? "" : `\nlast: ${last.cause}, ${last.time}`}` }, count(all));
}

// Targets that are down come first.
const RANK = { down: 0, up: 1, unknown: 2 };

export const targets = {
  seconds: 5,

  start() {
    const filters = filterForm("Filters of the targets", () => api.inBackground(targets.refresh),
      labelled("State", select("g-state", [["", "all"], ["up", "up"], ["down", "down"], ["unknown", "unknown"]])),
      labelled("Host", textField("g-host", { placeholder: "pbx.example.net" })));
    bodyOf("targets").append(filters, table.element, page.element);
  },

  forget: () => table.show([]),

  async refresh() {
    const filters = { state: byId("g-state").value, host: byId("g-host").value.trim() };
    const answer = await page.ask("/v1/targets", filters);
    if (answer === null) return;
    table.setEmpty(filters.state !== "" || filters.host !== "" ? "No target passes these filters." : "No rule leads to a target yet.");
    const sorted = answer.targets.toSorted((one, other) => RANK[one.state] - RANK[other.state]);
    // The API counts only the targets of the page.
    page.show(sorted, null, answer.next);
  },
};

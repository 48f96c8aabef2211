// The live connections, with filters, and a button that ends one.

import * as api from "./api.js";
import { change } from "./ask.js";
import { address, bodyOf, button, byId, foreign, labelled, make, setText, textField } from "./dom.js";
import { bytes, count, duration, schemeName } from "./format.js";
import { Page, Table, filterForm, serviceFilter } from "./table.js";

const total = make("p", { class: "total" });

const table = new Table({
  caption: "Live connections, the oldest first",
  key: ({ id }) => String(id),
  empty: "No client is connected.",
  columns: [
    { name: "Client", cell: (one) => address(one.client) },
    { name: "By", cell: (one) => make("span", { class: "badge" }, schemeName(one.service, one.carrier)) },
    { name: "Asked for", cell: (one) => [one.identity === null ? make("span", { class: "quiet" }, "not decided") : foreign(one.identity), verdict(one)] },
    { name: "Host", cell: (one) => one.host === null ? "" : foreign(one.host, one.rule === null ? {} : { title: one.rule }) },
    { name: "Target", cell: (one) => one.target === null ? "" : address(one.target) },
    { name: "In", kind: "number", cell: (one) => bytes(one.bytes.up) },
    { name: "Out", kind: "number", cell: (one) => bytes(one.bytes.down) },
    { name: "Open for", kind: "number", cell: (one) => duration(one.age) },
    { name: "Quiet for", kind: "number", cell: (one) => duration(one.idle) },
    { name: "End", kind: "actions", cell: (item) => button("End…", () => end(item()), { class: "small", "data-change": true, "aria-label": `End the connection of ${item().client}` }) },
  ],
});

const page = new Page(table, () => connections.refresh(), "A filter finds the others.");

// The verdict on the client's certificate.
function verdict(one) {
  if (one.verdict === null) return null;
  return make("span", { class: `cert ${one.verdict.startsWith("ok") ? "good" : "quiet"}`, title: one.certificate_cause ?? "" }, ` cert=${one.verdict}`);
}

export const connections = {
  seconds: 5,

  start() {
    const filters = filterForm("Filters of the connections", () => api.inBackground(connections.refresh),
      serviceFilter("c-service"),
      labelled("Client", textField("c-client", { placeholder: "203.0.113.9" })),
      labelled("Host", textField("c-host", { placeholder: "pbx.example.net" })),
      labelled("Target", textField("c-target", { placeholder: "192.0.2.10" })),
      total);
    bodyOf("connections").append(filters, table.element, page.element);
  },

  forget: () => table.show([]),

  async refresh() {
    const value = (id) => byId(id).value.trim();
    const filters = { service: value("c-service"), client: value("c-client"), host: value("c-host"), target: value("c-target") };
    const isFiltered = Object.values(filters).some((one) => one !== "");
    const answer = await page.ask("/v1/connections", filters);
    if (answer === null) return;
    table.setEmpty(isFiltered ? "No connection passes these filters." : "No client is connected. A phone that registers is shown here.");
    page.show(answer.connections, count(answer.count), answer.next);
    setText(total, `${count(answer.count)} open`);
  },
};

function end(one) {
  return change({
    title: `End the connection of ${one.client}?`,
    text: [make("p", {}, `${schemeName(one.service, one.carrier)} `, foreign(one.identity ?? "not decided yet"), one.target === null ? "" : ` to ${one.target}`, `, open for ${duration(one.age)}.`),
      "The client may come again at once. The blacklist keeps it away."],
    yes: "End it",
    dangerous: true,
  }, async () => {
    await api.remove(`/v1/connections/${one.id}`);
    return `The connection of ${one.client} was ended.`;
  }, connections.refresh);
}

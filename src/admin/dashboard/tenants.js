// Tenants: who stands above whom, where they lead, and a switch for each. The section is there if there is a tenant.

import * as api from "./api.js";
import { change } from "./ask.js";
import { afterTyping, bodyOf, byId, foreign, labelled, make, select, setText } from "./dom.js";
import { count, counted } from "./format.js";
import { hosts, place, redraw, toggle } from "./hosts.js";
import { More, Table } from "./table.js";

const more = new More(() => tenants.refresh());
const total = make("p", { class: "total" });

const table = new Table({
  caption: "Tenants",
  key: ({ id }) => id,
  empty: "There is no tenant.",
  columns: [
    { name: "Tenant", cell: (one) => [foreign(one.id), one.name === null ? null : foreign(` ${one.name}`, { class: "words quiet" })] },
    { name: "Part of", cell: (one) => one.parent === null ? "" : foreign(one.parent) },
    { name: "Leads to", cell: (one) => one.target === null ? make("span", { class: "quiet" }, "no target") : [foreign(one.target.join(", ")), one.own_target === null && make("span", { class: "quiet" }, " from above")] },
    { name: "Stands in", cell: (one) => one.made_by === "api" ? make("span", { class: "quiet", title: one.rule }, "made by the API") : place(one.rule) },
    { name: "State", cell: (one) => state(one) },
    { name: "Switch", kind: "actions", cell: (item) => toggle(() => item().enabled, () => flip(item()), () => `tenant ${item().id}`) },
  ],
});

function state({ enabled, alive }) {
  if (!enabled) return make("span", { class: "pill off" }, "disabled");
  return alive ? make("span", { class: "pill good" }, "enabled") : make("span", { class: "pill off" }, "disabled from above");
}

export const tenants = {
  seconds: 10,

  start() {
    const filters = make("form", { class: "filters", role: "search", "aria-label": "Filters of the tenants", submit: (event) => event.preventDefault() },
      labelled("Name or id", make("input", { id: "t-search", type: "text", placeholder: "part of it", spellcheck: "false", autocomplete: "off" })),
      labelled("State", select("t-alive", [["", "all"], ["true", "enabled"], ["false", "disabled"]])),
      total);
    const anew = () => tenants.refresh().catch(() => {});
    filters.addEventListener("change", anew);
    filters.addEventListener("input", afterTyping(anew));
    bodyOf("tenants").append(filters, table.element, more.element);
  },

  async refresh() {
    if (byId("tenants").hidden) return;
    const filters = { search: byId("t-search").value.trim(), alive: byId("t-alive").value };
    const answer = await api.get(api.path("/v1/tenants", { ...filters, limit: more.limit }));
    table.setEmpty("No tenant passes these filters.");
    table.show(answer.tenants);
    redraw(table);
    more.show(answer.tenants.length, count(answer.count), answer.next);
    setText(total, counted(answer.count, "tenant"));
  },
};

// The section is there while there are tenants.
export function showTenants(isThere) {
  const section = byId("tenants");
  if (section.hidden !== isThere) return;
  section.hidden = !isThere;
  document.querySelector('nav a[href="#tenants"]').hidden = !isThere;
  if (isThere) tenants.refresh().catch(() => {});
}

function flip({ id, enabled }) {
  const path = `/v1/tenants/${encodeURIComponent(id)}/${enabled ? "disable" : "enable"}`;
  return change(enabled
    ? { title: `Disable tenant ${id}?`, text: ["What is new is refused at once, for it and for every tenant below it.", "What runs ends after the drain time."], yes: "Disable", dangerous: true }
    : { title: `Enable tenant ${id}?`, text: "Its hosts and paths are in force again at once, unless a tenant above it is disabled.", yes: "Enable" },
  async () => {
    await api.post(path);
    return `Tenant ${id} is ${enabled ? "disabled" : "enabled"}.`;
  }, () => Promise.all([tenants.refresh(), hosts.refresh()]));
}

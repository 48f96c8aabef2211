// Tenants: their parents, their targets, and a switch for each. The section is shown if there is a tenant.

import * as api from "./api.js";
import { change } from "./ask.js";
import { bodyOf, byId, foreign, labelled, make, select, setText, textField } from "./dom.js";
import { count, counted } from "./format.js";
import { hosts } from "./hosts.js";
import { place, redraw, toggle } from "./switch.js";
import { Page, Table, filterForm } from "./table.js";

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

const page = new Page(table, () => tenants.refresh(), "A filter finds the others.");

function state({ enabled, alive }) {
  if (!enabled) return make("span", { class: "pill off" }, "disabled");
  return alive ? make("span", { class: "pill good" }, "enabled") : make("span", { class: "pill off" }, "disabled from above");
}

export const tenants = {
  seconds: 10,

  start() {
    const filters = filterForm("Filters of the tenants", () => api.inBackground(tenants.refresh),
      labelled("Name or id", textField("t-search", { placeholder: "part of it" })),
      labelled("State", select("t-alive", [["", "all"], ["true", "enabled"], ["false", "disabled"]])),
      total);
    bodyOf("tenants").append(filters, table.element, page.element);
  },

  forget: () => table.show([]),

  async refresh() {
    if (byId("tenants").hidden) return;
    const filters = { search: byId("t-search").value.trim(), alive: byId("t-alive").value };
    const answer = await page.ask("/v1/tenants", filters);
    if (answer === null) return;
    table.setEmpty("No tenant passes these filters.");
    page.show(answer.tenants, count(answer.count), answer.next);
    redraw(table);
    setText(total, counted(answer.count, "tenant"));
  },
};

// The section is shown while there are tenants.
export function showTenants(isThere) {
  const section = byId("tenants");
  if (section.hidden !== isThere) return;
  section.hidden = !isThere;
  document.querySelector('nav a[href="#tenants"]').hidden = !isThere;
  if (isThere) api.inBackground(tenants.refresh);
}

function flip({ id, enabled }) {
  const path = `/v1/tenants/${encodeURIComponent(id)}/${enabled ? "disable" : "enable"}`;
  return change(enabled
    ? { title: `Disable tenant ${id}?`, text: ["New requests are refused at once, for it and for every tenant below it.", "Connections that run end after the drain time."], yes: "Disable", dangerous: true }
    : { title: `Enable tenant ${id}?`, text: "Its hosts and paths are in force again at once, unless a tenant above it is disabled.", yes: "Enable" },
  async () => {
    await api.post(path);
    return `Tenant ${id} is ${enabled ? "disabled" : "enabled"}.`;
  }, () => Promise.all([tenants.refresh(), hosts.refresh()]));
}

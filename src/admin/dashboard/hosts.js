// Hosts: their targets, their places in the rules, and a switch for each.

import * as api from "./api.js";
import { change } from "./ask.js";
import { bodyOf, byId, foreign, labelled, make, select, setText, textField } from "./dom.js";
import { SERVICES, count, counted, serviceName } from "./format.js";
import { place, redraw, toggle } from "./switch.js";
import { Page, Table, filterForm, serviceFilter } from "./table.js";

const total = make("p", { class: "total" });

const table = new Table({
  caption: "Hosts, in the order of the rules",
  key: ({ name, rule }) => `${name} ${rule}`,
  empty: "There is no host.",
  columns: [
    { name: "Host", cell: (one) => [foreign(one.name), one.aliases.length > 0 && make("span", { class: "quiet", title: one.aliases.join("\n") }, ` and ${counted(one.aliases.length, "alias", "aliases")}`),
      one.tenant !== null && make("div", { class: "quiet" }, "of tenant ", foreign(one.tenant))] },
    { name: "Leads to", cell: leads },
    { name: "Stands in", cell: (one) => one.made_by === "api" ? make("span", { class: "quiet", title: one.rule }, "made by the API") : place(one.rule) },
    { name: "State", cell: state },
    { name: "Switch", kind: "actions", cell: (item) => toggle(() => item().enabled, () => flip(item()), () => item().name) },
  ],
});

const page = new Page(table, () => hosts.refresh(), "A filter finds the others.");

// The target of each service of a host. A single target is shown on a line, and several are folded.
function leads(one) {
  const items = one.http.map((path) => line("http", `${path.default ? "(other paths)" : path.path ?? ""} → ${to(path)}`));
  for (const service of SERVICES.filter((service) => service !== "http")) {
    if (one[service] !== null) items.push(line(service, `→ ${one[service].target.join(", ")}${checks(one[service])}`));
  }
  if (items.length === 0) return make("span", { class: "quiet" }, "no service");
  const list = make("ul", { class: "leads" }, items);
  if (items.length === 1) return list;
  const services = SERVICES.filter((service) => (service === "http" ? one.http.length > 0 : one[service] !== null));
  const summary = make("summary", {}, services.map((service) => [make("span", { class: "badge" }, serviceName(service)), " "]),
    make("span", { class: "quiet" }, counted(items.length, "rule")));
  return make("details", {}, summary, list);
}

const line = (service, text) => make("li", {}, make("span", { class: "badge" }, serviceName(service)), " ", foreign(text));

function to(path) {
  if (path.redirect !== null) return `redirect to ${path.redirect}`;
  if (path.websocket !== null) return "SIP over WebSocket";
  if (path.exchange !== null) return "credential exchange";
  return path.by_tenant ? "the tenant's target" : path.target.join(", ");
}

function checks(rule) {
  const words = [];
  if (rule.credentials) words.push("ephemeral credentials");
  if (rule.check_certificate) words.push(rule.on_failed_check === "reject" ? "certificate demanded" : "certificate checked");
  return words.length > 0 ? ` (${words.join(", ")})` : "";
}

function state(one) {
  if (one.disabled_by_tenant !== null) return make("span", { class: "pill off" }, `disabled by tenant ${one.disabled_by_tenant}`);
  if (!one.enabled) return make("span", { class: "pill off" }, "disabled");
  return make("span", { class: "pill good" }, "enabled");
}

export const hosts = {
  seconds: 10,

  start() {
    const filters = filterForm("Filters of the hosts", () => api.inBackground(hosts.refresh),
      labelled("Name", textField("h-search", { placeholder: "part of a name" })),
      serviceFilter("h-service"),
      labelled("State", select("h-enabled", [["", "all"], ["true", "enabled"], ["false", "disabled"]])),
      total);
    bodyOf("hosts").append(filters, table.element, page.element);
  },

  forget: () => table.show([]),

  async refresh() {
    const value = (id) => byId(id).value.trim();
    const filters = { search: value("h-search"), service: value("h-service"), enabled: value("h-enabled") };
    const answer = await page.ask("/v1/hosts", filters);
    if (answer === null) return;
    table.setEmpty(Object.values(filters).some((one) => one !== "") ? "No host passes these filters."
      : "There is no host yet, so nothing is let in. On the machine: sudo portward host add NAME --target ADDRESS --sip");
    page.show(answer.hosts, count(answer.count), answer.next);
    redraw(table);
    setText(total, counted(answer.count, "host"));
  },
};

function flip({ name, enabled, made_by: madeBy }) {
  const path = `/v1/hosts/${encodeURIComponent(name)}/${enabled ? "disable" : "enable"}`;
  return change(enabled
    ? { title: `Disable ${name}?`, text: ["New requests to it are refused at once. Connections that run end after the drain time.", "It stays so over reloads and restarts until it is enabled."], yes: "Disable", dangerous: true }
    : { title: `Enable ${name}?`, text: madeBy === "rules" ? "Its rules are in force again at once." : "It is in force again at once.", yes: "Enable" },
  async () => {
    await api.post(path);
    return `${name} is ${enabled ? "disabled" : "enabled"}.`;
  }, hosts.refresh);
}

// Portward's own certificates, and the ports that it listens on.

import * as api from "./api.js";
import { address, bodyOf, foreign, make } from "./dom.js";
import { now, time } from "./format.js";
import { Table } from "./table.js";

const DAY = 86_400_000;
// How long before the end `portward check` begins to warn. A test compares this with src/tls/identity.rs.
const NEAR = 30 * DAY;

const table = new Table({
  caption: "Certificates",
  key: ({ name, shown_to: to, fingerprint }) => `${to} ${name} ${fingerprint}`,
  empty: "There is no certificate, so the ports with TLS are closed. A pair of files in tls.certificates opens them; docs/certificates.md shows how.",
  columns: [
    { name: "Name", cell: (one) => [foreign(one.name, { title: one.file }), one.default && make("span", { class: "badge", title: "shown where a client asks for no name, or for one that no certificate has" }, "default")] },
    { name: "Good for", cell: (one) => names(one.names) },
    { name: "Shown to", cell: (one) => (one.shown_to === "client" ? "clients" : "targets") },
    { name: "Issuer", cell: (one) => foreign(one.issuer, { class: "words" }) },
    { name: "Ends", kind: "when", cell: ends },
    { name: "SHA-256", cell: (one) => make("code", { title: one.fingerprint, class: "quiet whole" }, `${one.fingerprint.slice(7, 19)}…`) },
  ],
});

function names(all) {
  const shown = all.slice(0, 4).map((name) => make("li", {}, foreign(name)));
  if (all.length > 4) shown.push(make("li", { class: "quiet", title: all.join("\n") }, `and ${all.length - 4} more`));
  return make("ul", { class: "leads" }, shown);
}

function ends({ not_before: begin, not_after: end }) {
  if (end === null) return "";
  if (begin !== null && Date.parse(begin) > now()) {
    return [make("span", { class: "pill bad" }, "not yet valid"), make("span", { class: "quiet" }, " begins ", time(begin))];
  }
  const left = Date.parse(end) - now();
  const kind = left < 0 ? "bad" : left < NEAR ? "warn" : "good";
  return [make("span", { class: `pill ${kind}` }, time(end)), make("span", { class: "quiet" }, ` ${end.slice(0, 10)}`)];
}

const ports = new Table({
  caption: "Ports that Portward listens on",
  key: (one) => `${one.address} ${one.scheme ?? one.service}`,
  empty: "No port is open.",
  columns: [
    { name: "Port", cell: (one) => address(one.address) },
    { name: "For", cell: (one) => (one.service === "admin" ? `administration${one.scheme === null ? "" : `, ${one.scheme}`}` : one.scheme ?? one.service) },
    { name: "State", cell: (one) => [make("span", { class: `pill ${one.open ? "good" : "bad"}` }, one.open ? "open" : "closed"), one.why === null ? null : ` ${one.why}`] },
    { name: "Certificates", cell: (one) => (one.certificates ?? []).map(({ name }) => name).join(", ") },
  ],
});

export const certificates = {
  seconds: 30,

  start() {
    bodyOf("certificates").append(table.element, make("h3", {}, "Ports"), ports.element);
  },

  forget() {
    table.show([]);
    ports.show([]);
  },

  async refresh() {
    const [own, listeners] = await Promise.all([api.get("/v1/certificates?limit=1000"), api.get("/v1/listeners?limit=1000")]);
    // The certificate that ends first comes first.
    table.show(own.certificates.toSorted((one, other) => (one.not_after ?? "").localeCompare(other.not_after ?? "")));
    ports.show(listeners.listeners);
  },
};

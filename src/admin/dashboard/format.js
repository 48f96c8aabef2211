// Numbers, sizes and times in words. Times are relative, with the absolute time in a tooltip, and are updated by
// themselves.

import { make, setText } from "./dom.js";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (number) => whole.format(number);

// "1 address", "2 addresses".
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

// A rate in a second, with two significant digits.
export function rate(number) {
  if (number === 0) return "0";
  if (number < 0.1) return number.toFixed(2);
  return number < 10 ? number.toFixed(1) : count(number);
}

export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = number;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

// Seconds as milliseconds, for short times.
export function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(1) : count(value)} ms`;
}

// "3 d 4 h", "12 min", "5 s".
export function duration(seconds) {
  const all = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60];
  if (days >= 10) return `${count(days)} d`;
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  return minutes > 0 ? `${minutes} min` : `${all} s`;
}

const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
// "28 Nov 2026, 21:04:33".
export const absoluteTime = (date) => absolute.format(date);

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// "21:04:33".
export const clockTime = (date) => clock.format(date);

// How far Portward's clock is ahead of the browser's, in milliseconds. A few seconds do not matter: the header has
// whole seconds, and the answer takes some time on its way.
let ahead = 0;
export function setServerTime(header) {
  const difference = Date.parse(header ?? "") - Date.now();
  if (!Number.isNaN(difference)) ahead = Math.abs(difference) > 5000 ? difference : 0;
}

export const now = () => Date.now() + ahead;

export function relative(date) {
  const seconds = (date.getTime() - now()) / 1000;
  if (Math.abs(seconds) < 1.5) return "now";
  return seconds > 0 ? `in ${duration(seconds)}` : `${duration(-seconds)} ago`;
}

// A time as an element whose text is kept up to date. `value` is text (RFC 3339) or Unix time in seconds.
export function time(value, { bare = false } = {}) {
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  const words = (at) => (bare ? duration(Math.abs(at.getTime() - now()) / 1000) : relative(at));
  const attributes = { datetime: date.toISOString(), title: absoluteTime(date), "data-bare": bare };
  return make("time", attributes, words(date));
}

// Updates all relative times on the page.
export function age() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    if (element.dataset.fixed !== undefined) continue;
    const date = new Date(element.dateTime);
    const bare = element.dataset.bare !== undefined;
    setText(element, bare ? duration(Math.abs(date.getTime() - now()) / 1000) : relative(date));
  }
}

// The services and carriers of the API, each with its name for people. A test compares them with those of the daemon.
const SERVICE_NAMES = { http: "HTTP", sip: "SIP", ldap: "LDAP", h323: "H.323" };
const CARRIER_NAMES = { tcp: "TCP", tls: "TLS", ws: "WS", wss: "WSS" };
export const SERVICES = Object.keys(SERVICE_NAMES);
export const serviceName = (service) => SERVICE_NAMES[service] ?? service;

// "HTTPS", "SIP", "SIP by WSS": a service together with its carrier.
export function schemeName(service, carrier) {
  const name = serviceName(service);
  if (carrier === "tcp") return name;
  if (carrier === "tls") return service === "h323" ? `${name} by TLS` : `${name}S`;
  return `${name} by ${CARRIER_NAMES[carrier] ?? carrier}`;
}

// Words for an accepted request that went to no target. A test compares the outcomes with those of the daemon.
export const ANSWERED = {
  redirected: "redirected", challenge: "answered: ACME", login: "asked to log in", websocket: "WebSocket", exchange: "credential exchanged",
};
// Every outcome but "rejected".
export const LET_IN = ["forwarded", ...Object.keys(ANSWERED)];

// "there is no such host" -> "There is no such host."
export function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

// "FILE:LINE:COLUMN", as far as it is known. Null: no file is known.
export function placeOf({ file, line, column }) {
  if (file === null || file === undefined) return null;
  return [file, line, column].filter((part) => part !== null && part !== undefined).join(":");
}

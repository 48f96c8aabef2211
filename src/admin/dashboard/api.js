// The admin API (docs/api.md). Everything that the page knows and does goes through here, with the rights of its session.

import { setServerTime } from "./format.js";

// What the API answered if it is not what was asked for.
export class Refused extends Error {
  constructor(status, json) {
    super(json.error ?? `the answer was ${status}`);
    this.status = status;
    this.diagnostics = json.diagnostics ?? [];
  }
}

// No answer came: Portward does not run, or the network is gone.
export class Unreachable extends Error {}

// So long an answer may take.
const PATIENCE = 15_000;

// Those who want to know that answers come, stay away, or that the session has ended.
const listeners = { answered: [], unreachable: [], loggedOut: [] };
export const on = (what, listener) => listeners[what].push(listener);
const tell = (what) => listeners[what].forEach((listener) => listener());

// A path with parameters; those without a value are left out.
export function path(base, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== "" && value !== null && value !== undefined) query.set(name, value);
  }
  const text = query.toString();
  return text === "" ? base : `${base}?${text}`;
}

async function request(method, url, body, signal) {
  const options = { method, signal, headers: {}, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    if (body !== undefined) options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    tell("unreachable");
    throw new Unreachable("Portward does not answer");
  }
  setServerTime(response.headers.get("Date"));
  tell("answered");
  if (response.ok) return response;
  const json = await response.json().catch(() => ({}));
  if (response.status === 401 && url !== "/v1/session") tell("loggedOut");
  throw new Refused(response.status, json);
}

async function asked(method, url, body) {
  const response = await request(method, url, body, AbortSignal.timeout(PATIENCE)).catch((error) => {
    if (error.name !== "TimeoutError" && error.name !== "AbortError") throw error;
    tell("unreachable");
    throw new Unreachable("Portward does not answer in time");
  });
  try {
    return await response.json();
  } catch {
    tell("unreachable");
    throw new Unreachable("the answer was cut off");
  }
}

export const get = (url) => asked("GET", url);
export const post = (url, body) => asked("POST", url, body);
export const remove = (url) => asked("DELETE", url);

// A stream of server-sent events (WHATWG HTML, section 9.2), as they come: lists of them, the first one as soon
// as the stream is open. It ends when Portward ends it, or `signal` does.
export async function* events(url, signal) {
  const response = await request("GET", url, undefined, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    yield blocks.map(event).filter((one) => one !== null);
  }
}

function event(block) {
  let kind = "";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  return kind === "" ? null : { kind, data: JSON.parse(data.join("\n")) };
}

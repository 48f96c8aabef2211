// The admin API (docs/api.md). Everything that the page shows and does goes through here, with the rights of its
// session.

import { setServerTime } from "./format.js";

// An answer of the API that is a refusal.
export class Refused extends Error {
  constructor(status, json) {
    super(json.error ?? `the answer was ${status}`);
    this.status = status;
    this.diagnostics = json.diagnostics ?? [];
  }
}

// No answer came: Portward does not run, or the network does not work.
export class Unreachable extends Error {}

// The longest time for an answer, in milliseconds.
const PATIENCE = 15_000;
// The longest silence of a stream, in milliseconds. Portward sends something every 15 seconds (src/admin/events.rs).
const SILENCE = 45_000;

// Listeners for four events: an answer has come, no answer has come, a refusal has come, the session has ended.
const listeners = { answered: [], unreachable: [], refused: [], loggedOut: [] };
export const on = (what, listener) => listeners[what].push(listener);
const tell = (what, why) => listeners[what].forEach((listener) => listener(why));

// A path with parameters. Parameters without a value are left out.
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
    throw new Unreachable(error.name === "TimeoutError" ? "Portward does not answer in time" : "Portward does not answer");
  }
  setServerTime(response.headers.get("Date"));
  if (response.ok) {
    tell("answered");
    return response;
  }
  const json = await response.json().catch(() => ({}));
  if (response.status === 401 && url !== "/v1/session") tell("loggedOut");
  throw new Refused(response.status, json);
}

// How many sessions have ended. An answer is not shown if its session has ended meanwhile.
let ended = 0;
export const endSession = () => (ended += 1);

async function asked(method, url, body) {
  const before = ended;
  const response = await request(method, url, body, AbortSignal.timeout(PATIENCE));
  const json = await response.json().catch(() => {
    tell("unreachable");
    throw new Unreachable("the answer was cut off");
  });
  if (before !== ended) throw new Unreachable("the session has ended");
  return json;
}

export const get = (url) => asked("GET", url);
export const post = (url, body) => asked("POST", url, body);
export const remove = (url) => asked("DELETE", url);

// Runs a task in the background, such as the refresh of a section. If no answer or a refusal comes, the head of the
// page says so, and the task is repeated. Any other error is a fault of this page.
export async function inBackground(act) {
  try {
    await act();
  } catch (error) {
    if (error instanceof Refused) tell("refused", error.message);
    else if (!(error instanceof Unreachable)) console.error(error);
  }
}

// A stream of server-sent events (WHATWG HTML, section 9.2) as lists of events. The first list comes as soon as the
// stream is open. The stream ends when Portward ends it or when `signal` is aborted. If the connection breaks or is
// silent for too long, Unreachable is thrown. A connection can be lost without notice (a laptop that has slept, a
// tunnel), and would otherwise be waited for without end.
export async function* events(url, signal) {
  const silence = new AbortController();
  let timer;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE);
  };
  try {
    listen();
    const response = await request("GET", url, undefined, AbortSignal.any([signal, silence.signal]));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      listen();
      const { value, done } = await reader.read().catch((error) => {
        if (signal.aborted) throw error;
        throw new Unreachable("the stream was cut off");
      });
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      yield blocks.map(event).filter((one) => one !== null);
    }
  } catch (error) {
    throw silence.signal.aborted && !signal.aborted ? new Unreachable("the stream is silent") : error;
  } finally {
    clearTimeout(timer);
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

// The page: whether the browser is logged in, which sections there are, and when each section is refreshed.

import * as api from "./api.js";
import { byId, setText } from "./dom.js";
import { age, duration, sentence } from "./format.js";
import { hideLogIn, logOut, showLogIn } from "./login.js";
import { startReload } from "./reload.js";
import { blacklist } from "./blacklist.js";
import { certificates } from "./certificates.js";
import { connections } from "./connections.js";
import { decisions } from "./decisions.js";
import { explain } from "./explain.js";
import { history } from "./history.js";
import { hosts } from "./hosts.js";
import { status } from "./status.js";
import { targets } from "./targets.js";
import { tenants } from "./tenants.js";

// A section: `start()` is called once. While the page is visible, `resume()` is called, and then `refresh()` every
// `seconds`. `stop()` is called when the page is hidden.
const sections = [status, history, decisions, connections, blacklist, hosts, tenants, targets, certificates, explain];

let timers = [];
let isRunning = false;

function run() {
  if (isRunning || document.hidden) return;
  isRunning = true;
  for (const section of sections) {
    section.resume?.();
    if (section.refresh !== undefined) timers.push(repeat(section));
  }
}

function rest() {
  isRunning = false;
  timers.forEach((timer) => timer.stop());
  timers = [];
  sections.forEach((section) => section.stop?.());
}

// Asks again a while after the last answer, so that a slow Portward does not get more and more questions.
function repeat(section) {
  let timer;
  let isOn = true;
  const again = async () => {
    await api.inBackground(section.refresh);
    if (isOn) timer = setTimeout(again, section.seconds * 1000);
  };
  again();
  return {
    stop() {
      isOn = false;
      clearTimeout(timer);
    },
  };
}

// Since when no answer has come, in milliseconds since 1970. Null: answers come.
let lostSince = null;

// Shows that the content of the page is old, and why.
function lost(why) {
  lostSince ??= Date.now();
  const line = byId("lost");
  setText(line, `${why} What is shown is old. The page asks again by itself.`);
  line.title = `since ${duration((Date.now() - lostSince) / 1000)}`;
  line.hidden = false;
  document.body.classList.add("is-lost");
}

function found() {
  if (lostSince === null) return;
  lostSince = null;
  byId("lost").hidden = true;
  document.body.classList.remove("is-lost");
}

api.on("unreachable", () => lost("Portward does not answer."));
api.on("refused", (why) => !byId("content").hidden && lost(`Portward refuses to answer: ${sentence(why)}`));
api.on("answered", found);

api.on("loggedOut", () => {
  if (byId("content").hidden) return;
  leave("The session has ended. Log in again.");
});

// Hides the page and asks for a log-in. `why` is shown in the form.
function leave(why) {
  rest();
  api.endSession();
  document.title = "Portward";
  byId("said").replaceChildren();
  byId("ask-text").replaceChildren();
  // Nothing that a session has shown may stay in the document.
  sections.forEach((section) => section.forget?.());
  if (byId("ask").open) byId("ask").close();
  byId("content").hidden = true;
  byId("top").hidden = true;
  showLogIn(why, enter);
}

// Shows the page to a session with this `right`.
function enter({ right }) {
  hideLogIn();
  found();
  document.body.classList.toggle("reads-only", right === "read");
  byId("reads-only").hidden = right !== "read";
  byId("top").hidden = false;
  byId("content").hidden = false;
  byId("content").focus({ preventScroll: true });
  run();
}

// The browser's session. Null: it has none. Undefined: no answer has come.
async function session() {
  try {
    return await api.get("/v1/session");
  } catch (error) {
    if (error instanceof api.Unreachable) return undefined;
    leave(error.status === 401 ? "" : sentence(error.message));
    return null;
  }
}

async function begin() {
  let found = await session();
  while (found === undefined) {
    showLogIn("Portward does not answer. The page asks again by itself.", null);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    found = await session();
  }
  if (found !== null) enter(found);
}

document.addEventListener("visibilitychange", () => {
  if (byId("content").hidden) return;
  if (document.hidden) rest();
  else run();
});
// A page that comes back from the browser's cache may belong to a session that has ended.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
setInterval(age, 5000);
byId("log-out").addEventListener("click", async () => leave(await logOut()));
sections.forEach((section) => section.start?.());
startReload(() => {
  for (const section of [status, hosts, tenants, targets, certificates]) api.inBackground(section.refresh);
});
begin();

// What changes something is asked once more.

import { byId, make } from "./dom.js";
import { done, failed } from "./said.js";

// Asks, and gives true if the answer is yes. Escape and "Cancel" are no; the focus goes back to where it was.
export function ask({ title, text, yes, dangerous = false }) {
  const dialog = byId("ask");
  const [no, go] = [byId("ask-no"), byId("ask-yes")];
  byId("ask-title").textContent = title;
  byId("ask-text").replaceChildren(...[text].flat(Infinity).map((part) => (typeof part === "string" ? make("p", {}, part) : part)));
  go.textContent = yes;
  go.hidden = false;
  no.textContent = "Cancel";
  go.classList.toggle("dangerous", dangerous);
  return shown(dialog, no);
}

// Shows something that is read and closed.
export function show({ title, content }) {
  const dialog = byId("ask");
  byId("ask-title").textContent = title;
  byId("ask-text").replaceChildren(...[content].flat());
  byId("ask-yes").hidden = true;
  byId("ask-no").textContent = "Close";
  return shown(dialog, byId("ask-no"));
}

function shown(dialog, first) {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const answer = (value) => () => {
      if (dialog.open) dialog.close();
      resolve(value);
    };
    byId("ask-yes").onclick = answer(true);
    byId("ask-no").onclick = answer(false);
    dialog.onclose = answer(false);
    dialog.querySelector("form").onsubmit = (event) => event.preventDefault();
    dialog.showModal();
    first.focus();
  }).finally(() => {
    if (before?.isConnected) before.focus();
  });
}

// Asks, does it, and says what came of it. `act` gives the words for the result. True: it was done.
export async function change(question, act, after) {
  if (!(await ask(question))) return false;
  try {
    done(await act());
    await after?.();
    return true;
  } catch (error) {
    failed(`${question.title} ${sentence(error.message)}`);
    await after?.();
    return false;
  }
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

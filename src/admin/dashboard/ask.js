// Questions: what changes something is asked once more.

import { inBackground } from "./api.js";
import { byId, make } from "./dom.js";
import { sentence } from "./format.js";
import { done, failed } from "./said.js";

// The page has one dialog. What comes while it is open waits until it is closed.
let last = Promise.resolve();

// Asks, and gives true if the answer is yes. Escape and "Cancel" are no; the focus goes back to where it was.
export function ask({ title, text, yes, dangerous = false }) {
  const content = [text].flat(Infinity).map((part) => (typeof part === "string" ? make("p", {}, part) : part));
  return inTurn({ title, content, yes, no: "Cancel", dangerous });
}

// Shows something that is read and closed.
export function show({ title, content }) {
  return inTurn({ title, content: [content].flat(), yes: null, no: "Close", dangerous: false });
}

function inTurn(question) {
  const answer = last.then(() => opened(question));
  last = answer.catch(() => false);
  return answer;
}

// Opens the dialog, and gives the answer once it is closed. After a log-out nothing is asked any more.
function opened({ title, content, yes, no, dangerous }) {
  if (byId("content").hidden) return false;
  const [dialog, yesButton, noButton] = [byId("ask"), byId("ask-yes"), byId("ask-no")];
  byId("ask-title").textContent = title;
  byId("ask-text").replaceChildren(...content);
  yesButton.textContent = yes;
  yesButton.hidden = yes === null;
  yesButton.classList.toggle("dangerous", dangerous);
  noButton.textContent = no;
  const before = document.activeElement;
  return new Promise((resolve) => {
    let isYes = false;
    yesButton.onclick = () => {
      isYes = true;
      dialog.close();
    };
    noButton.onclick = () => dialog.close();
    dialog.onclose = () => resolve(isYes);
    dialog.querySelector("form").onsubmit = (event) => event.preventDefault();
    dialog.showModal();
    noButton.focus();
  }).finally(() => {
    if (before?.isConnected) before.focus();
  });
}

// Asks, does it, and says what came of it. `act` gives the words for the result, `after` shows how it is now. True: it was done.
export async function change(question, act, after) {
  if (!(await ask(question))) return false;
  let isDone = true;
  try {
    done(await act());
  } catch (error) {
    isDone = false;
    failed(`${question.title} ${sentence(error.message)}`);
  }
  await inBackground(after);
  return isDone;
}

// Questions: a change is confirmed first.

import { inBackground } from "./api.js";
import { byId, make } from "./dom.js";
import { sentence } from "./format.js";
import { done, failed } from "./said.js";

// The page has one dialog. Further questions wait until it is closed.
let last = Promise.resolve();

// Asks a question, and returns true if the answer is yes. Escape and "Cancel" mean no. The focus returns to where it
// was.
export function ask({ title, text, yes, dangerous = false }) {
  const content = [text].flat(Infinity).map((part) => (typeof part === "string" ? make("p", {}, part) : part));
  return inTurn({ title, content, yes, no: "Cancel", dangerous });
}

// Shows a text to read and close.
export function show({ title, content }) {
  return inTurn({ title, content: [content].flat(), yes: null, no: "Close", dangerous: false });
}

function inTurn(question) {
  const answer = last.then(() => opened(question));
  last = answer.catch(() => false);
  return answer;
}

// Opens the dialog, and returns the answer once it is closed. After a log-out no question is asked.
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

// Asks, makes the change, and shows its result. `act` makes the change and returns the words for the result. `after`
// refreshes the page. Returns true if the change was made.
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

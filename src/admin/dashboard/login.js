// Log-in by token. The page never keeps the token. In exchange the browser gets a cookie that scripts cannot read.

import * as api from "./api.js";
import { byId, setText } from "./dom.js";
import { sentence } from "./format.js";

// The function that takes a new session. Null: log-in is not possible now.
let entered = null;

// Shows the form, and the reason for it. `then` takes the session. Null: log-in is not possible now.
export function showLogIn(why, then) {
  entered = then;
  byId("log-in").hidden = false;
  const line = byId("log-in-why");
  line.hidden = why === "";
  setText(line, why);
  byId("log-in-failed").textContent = "";
  byId("log-in").querySelector("button").disabled = then === null;
  if (then !== null) byId("token").focus();
}

export function hideLogIn() {
  byId("log-in").hidden = true;
  byId("token").value = "";
}

byId("log-in").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [input, failed] = [byId("token"), byId("log-in-failed")];
  failed.textContent = "";
  if (entered === null) return;
  try {
    entered(await api.post("/v1/session", { token: input.value.trim() }));
  } catch (error) {
    const tooMany = error.status === 429 ? "Too many wrong tokens came from this address within a minute. " : "";
    failed.textContent = error.status === 401 || error.status === 429
      ? `${tooMany}This token is wrong.`
      : sentence(`it was not possible to log in: ${error.message}`);
    input.select();
    input.focus();
  }
});

// Ends the session. Returns the words for the result.
export async function logOut() {
  try {
    await api.remove("/v1/session");
    return "You are logged out.";
  } catch (error) {
    return error.status === 401 ? "The session had ended." : sentence(`the session may still be there: ${error.message}`);
  }
}

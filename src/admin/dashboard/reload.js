// "Reload rules": the question, and what came of it. Also diagnostics, as a reload and the status give them.

import * as api from "./api.js";
import { ask, show } from "./ask.js";
import { byId, make } from "./dom.js";
import { counted, placeOf, sentence } from "./format.js";
import { done, failed } from "./said.js";

// Gives the button its work. `after` is called when a reload is over, whatever came of it.
export function startReload(after) {
  byId("reload").addEventListener("click", async () => {
    const yes = await ask({
      title: "Reload rules?",
      text: ["The files are read again and put in force, all or nothing. Connections go on.",
        "If anything is wrong in a file, everything stays as it is."],
      yes: "Reload",
    });
    if (!yes) return;
    try {
      reloaded(await api.post("/v1/reload"));
    } catch (error) {
      refused(error);
    } finally {
      after();
    }
  });
}

function reloaded(answer) {
  done(changes(answer));
  if (answer.diagnostics.length > 0) show({ title: "Reloaded, with warnings", content: diagnostics(answer.diagnostics) });
}

function refused(error) {
  if (error.diagnostics?.length > 0) {
    show({ title: "Not reloaded: everything stays as it is", content: diagnostics(error.diagnostics) });
  } else if (error instanceof api.Refused) {
    failed(sentence(`not reloaded: ${error.message}`));
  } else {
    failed(sentence(`it is not known whether the rules were reloaded: ${error.message}`));
  }
}

// "Reloaded: 1 host added, 2 changed."
function changes({ hosts, certificates, listeners }) {
  const parts = [];
  const part = (number, what) => number > 0 && parts.push(what);
  for (const kind of ["added", "changed", "removed"]) part(hosts[kind].count, `${counted(hosts[kind].count, "host")} ${kind}`);
  for (const kind of ["added", "renewed", "removed"]) {
    part(certificates[kind].length, `${counted(certificates[kind].length, "certificate")} ${kind}`);
  }
  for (const kind of ["opened", "closed"]) part(listeners[kind].length, `${counted(listeners[kind].length, "port")} ${kind}`);
  return parts.length > 0 ? `Reloaded: ${parts.join(", ")}.` : "Reloaded: nothing has changed.";
}

// Diagnostics as a list: what is wrong, where, and what would be right.
export function diagnostics(list) {
  return make("ul", { class: "findings" }, list.map((one) => finding(one)));
}

// One of them. `when` may be a time; `details` are a longer text, which is folded.
export function finding({ severity, message, label, related, help, details, ...at }, when = null) {
  const place = placeOf(at);
  return make("li", { class: severity },
    make("p", { class: "message" }, make("span", { class: "severity" }, severity === "error" ? "Error" : "Warning"), make("span", {}, message), when),
    place && make("p", { class: "place" }, make("code", {}, place), label && `: ${label}`),
    related && make("p", { class: "place" }, make("code", {}, placeOf(related)), related.label && `: ${related.label}`),
    help && make("p", { class: "hint" }, help),
    details && make("details", {}, make("summary", {}, "What was wrong"), make("pre", {}, details)),
  );
}

// "Reload rules": the question, and the result.

import * as api from "./api.js";
import { ask, show } from "./ask.js";
import { byId } from "./dom.js";
import { diagnostics } from "./findings.js";
import { counted, sentence } from "./format.js";
import { done, failed } from "./said.js";

// Connects the button. `after` is called when a reload is over, whatever its result is.
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

// Results of changes in words, at the edge of the page and for a screen reader.

import { button, byId, make } from "./dom.js";

// How long the message of a success is shown, in milliseconds. The message of a failure stays until it is closed.
const STAYS = 8_000;

function say(text, kind) {
  const place = byId("said");
  const close = button("×", () => line.remove(), { "aria-label": "Close this message", class: "close" });
  const line = make("div", { class: `said ${kind}`, role: kind === "bad" ? "alert" : "status" }, make("p", {}, text), close);
  place.append(line);
  while (place.children.length > 4) place.firstChild.remove();
  if (kind === "good") setTimeout(() => line.remove(), STAYS);
}

export const done = (text) => say(text, "good");
export const failed = (text) => say(text, "bad");

// Findings: what is wrong, where, and what would be right. They come from the diagnostics of a reload, or are things to
// look at.

import { make } from "./dom.js";
import { placeOf } from "./format.js";

// Diagnostics as a list: what is wrong, where, and what would be right.
export function diagnostics(list) {
  return make("ul", { class: "findings" }, list.map((one) => finding(one)));
}

// One finding. `when` may be a time. `details` is a longer text, which is folded.
export function finding({ severity, message, label, related, help, details, ...at }, when = null) {
  const place = placeOf(at);
  return make("li", { class: severity },
    make("p", { class: "message" }, make("span", { class: "severity" }, severity === "error" ? "Error" : "Warning"), make("span", {}, message), when),
    place && make("p", { class: "place" }, make("code", {}, place), label && `: ${label}`),
    related && make("p", { class: "place" }, make("code", {}, placeOf(related)), related.label && `: ${related.label}`),
    help && make("p", { class: "hint" }, help),
    details && make("details", {}, make("summary", {}, "Details"), make("pre", {}, details)),
  );
}

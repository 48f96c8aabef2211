// The common parts of the rows of hosts and tenants: the place in the rules, and the switch.

import { button, make, setText } from "./dom.js";

// A file's name and line, with the whole path in a tooltip.
export function place(rule) {
  return make("code", { class: "whole", title: rule }, rule.split("/").at(-1));
}

// A button that enables or disables. Its words change with the item, so the row keeps the same button and the focus.
export function toggle(isEnabled, click, name) {
  const element = button("", click, { class: "small", "data-change": true });
  const draw = () => {
    const word = isEnabled() ? "Disable" : "Enable";
    setText(element, `${word}…`);
    element.setAttribute("aria-label", `${word} ${name()}`);
  };
  element.draw = draw;
  draw();
  return element;
}

// Updates the words of the buttons to their rows.
export function redraw({ rows }) {
  for (const { element } of rows.values()) element.querySelector("td.actions button")?.draw();
}

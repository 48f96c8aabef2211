// What the rows of hosts and of tenants have in common: where they stand in the rules, and the button that switches them.

import { button, make, setText } from "./dom.js";

// A file's name and line, with the whole path in a tooltip.
export function place(rule) {
  return make("code", { class: "whole", title: rule }, rule.split("/").at(-1));
}

// One button that enables or disables; its words follow the item, so the row keeps the button and the focus.
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

// The words of the buttons follow their rows.
export function redraw({ rows }) {
  for (const { element } of rows.values()) element.querySelector("td.actions button")?.draw();
}

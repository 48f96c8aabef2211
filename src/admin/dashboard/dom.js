// Elements. Text is always set as text. Nothing on this page parses HTML, and the browser would refuse it (Trusted
// Types).

const SVG = "http://www.w3.org/2000/svg";

// Makes an element. An attribute that is a function is a listener ("click"). True stands for an attribute without a
// value. False, null and undefined leave the attribute out. Children are elements or text.
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

// The same in a drawing.
export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...parts(children));
  return element;
}

// Children as a flat list: nested lists are flattened, and null, undefined and false are left out.
export function parts(children) {
  return [children].flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

export const byId = (id) => document.getElementById(id);

// The part of a section in which it shows its content.
export const bodyOf = (section) => byId(section).querySelector(".body");

// Changes the text only if it differs, because a screen reader reads every change aloud.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Text from a client, or text about one. Its direction does not affect the text around it.
export function foreign(text, attributes = {}) {
  return make("bdi", { class: "code", ...attributes }, visible(text));
}

// Invisible characters, and marks that change the direction of text, are shown as their numbers (UAX #9, section 2). So
// are blanks other than the space. The third and further marks above or below one letter are shown in the same way,
// because they would reach beyond their line.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u115f\u1160\u3164\uffa0\u2800]|(?<=\p{M}{2})\p{M}/gu;
export function visible(text) {
  return text.replace(HIDDEN, (one) => (one === "\n" ? one : `\\u{${one.codePointAt(0).toString(16)}}`));
}

// An address, a port or a place in a file. It is not broken into two lines.
export const address = (text, attributes = {}) => foreign(text, { class: "code whole", ...attributes });

export function button(text, click, attributes = {}) {
  return make("button", { type: "button", click, ...attributes }, text);
}

// A field of a form with its label. `control` needs an id.
export function labelled(text, control, hint) {
  const label = make("label", { for: control.id }, text);
  return make("div", { class: "field" }, label, control, hint && make("p", { class: "hint" }, hint));
}

// A choice between options, each `[value, text]`.
export function select(id, options) {
  return make("select", { id }, options.map(([value, text]) => make("option", { value }, text)));
}

// A text field for an address or a name: the browser corrects and suggests nothing in it.
export function textField(id, attributes = {}) {
  return make("input", { id, type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", ...attributes });
}

// Calls `then` when nothing was typed for a moment.
export function afterTyping(then) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(then, 300);
  };
}

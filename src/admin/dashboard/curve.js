// One drawing of accepted and refused requests a second. It can be read with the pointer, with the arrow keys, and by a
// screen reader.

import { draw, make, setText } from "./dom.js";
import { clockTime, count, rate } from "./format.js";

const HEIGHT = 90;
// How many steps the drawing spans: the first of these numbers that is large enough. They stand for ten minutes, half
// an hour and an hour. A test compares the last one with the daemon.
const SPANS = [60, 180, 360];

export class Curve {
  constructor(name) {
    this.name = name;
    this.area = draw("path", { class: "area" });
    this.letIn = draw("path", { class: "line let-in" });
    this.refused = draw("path", { class: "line refused" });
    this.cross = draw("line", { class: "cross", y1: 0, y2: HEIGHT, visibility: "hidden" });
    this.quarters = [1, 2, 3].map(() => draw("line", { class: "grid", y1: 0, y2: HEIGHT }));
    this.drawing = draw("svg", { preserveAspectRatio: "none", "aria-hidden": "true" },
      this.quarters, this.area, this.refused, this.letIn, this.cross);
    this.most = make("span", { class: "most" });
    this.open = make("span", { class: "open" });
    this.reading = make("p", { class: "reading", "aria-live": "polite" });
    this.box = make("div", { class: "drawing", tabindex: "0", role: "img" }, this.drawing, this.most);
    this.axis = make("div", { class: "axis", "aria-hidden": "true" });
    this.element = make("figure", { class: "curve", "data-service": name },
      make("figcaption", {}, make("h3", {}, name), this.open), this.box, this.axis, this.reading);
    this.at = null;
    this.setSpan(SPANS[0]);
    this.box.addEventListener("pointermove", (event) => {
      const box = this.box.getBoundingClientRect();
      this.read(Math.floor(((event.clientX - box.left) / box.width) * this.span));
    });
    this.box.addEventListener("pointerleave", () => this.read(null));
    this.box.addEventListener("blur", () => this.read(null));
    this.box.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -this.span, End: this.span }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.read((this.at ?? this.span - 1) + by);
    });
  }

  // How many steps the drawing spans.
  setSpan(span) {
    if (this.span === span) return;
    this.span = span;
    this.drawing.setAttribute("viewBox", `0 0 ${span - 1} ${HEIGHT}`);
    this.quarters.forEach((line, at) => {
      line.setAttribute("x1", ((at + 1) * (span - 1)) / 4);
      line.setAttribute("x2", ((at + 1) * (span - 1)) / 4);
    });
    const minutes = (span * 10) / 60;
    const marks = [`${minutes} min ago`, ...(minutes % 4 === 0 ? [minutes * 3 / 4, minutes / 2, minutes / 4] : [minutes / 2]), "now"];
    this.axis.replaceChildren(...marks.map((text) => make("span", {}, String(text))));
  }

  // `letIn` and `refused` are counts for each step, the newest last. `end` is the end of the last step.
  show({ letIn, refused, open, step, end }) {
    Object.assign(this, { counts: { letIn, refused }, step, end });
    const most = Math.max(0, ...letIn, ...refused) / step;
    const top = nice(most);
    this.setSpan(SPANS.find((span) => span >= letIn.length) ?? SPANS.at(-1));
    const points = (counts) => counts.map((number, at) => [this.span - counts.length + at, HEIGHT - (number / step / top) * (HEIGHT - 4)]);
    const line = (counts) => points(counts).map(([x, y], at) => `${at === 0 ? "M" : "L"}${x} ${y.toFixed(1)}`).join("");
    const drawn = line(letIn);
    this.letIn.setAttribute("d", drawn);
    this.refused.setAttribute("d", refused.some((number) => number > 0) ? line(refused) : "");
    this.area.setAttribute("d", letIn.length > 1 ? `${drawn}L${this.span - 1} ${HEIGHT}L${this.span - letIn.length} ${HEIGHT}Z` : "");
    setText(this.most, `${rate(top)}/s`);
    setText(this.open, `${count(open)} open`);
    const sum = (counts) => counts.reduce((all, one) => all + one, 0);
    this.words = `${this.name}: ${count(sum(letIn))} let in and ${count(sum(refused))} refused within the last hour, ` +
      `at most ${rate(most)} a second`;
    this.box.setAttribute("aria-label", this.words);
    this.read(this.at);
  }

  // Describes a step of the drawing in words.
  read(at) {
    this.at = at === null ? null : Math.max(0, Math.min(this.span - 1, at));
    const { letIn = [], refused = [] } = this.counts ?? {};
    const index = this.at === null ? -1 : this.at - (this.span - letIn.length);
    this.cross.setAttribute("visibility", this.at === null ? "hidden" : "visible");
    if (this.at !== null) {
      this.cross.setAttribute("x1", this.at);
      this.cross.setAttribute("x2", this.at);
    }
    if (this.at === null) {
      const last = letIn.at(-1) === undefined ? "" : `now ${rate(letIn.at(-1) / this.step)}/s let in, ${rate(refused.at(-1) / this.step)}/s refused`;
      this.reading.setAttribute("aria-live", "off");
      return setText(this.reading, last);
    }
    this.reading.setAttribute("aria-live", "polite");
    if (index < 0 || this.end === undefined) return setText(this.reading, "before the start");
    const when = clockTime(new Date(this.end - (letIn.length - index) * this.step * 1000));
    setText(this.reading, `${when}: ${rate(letIn[index] / this.step)}/s let in, ${rate(refused[index] / this.step)}/s refused`);
  }
}

// The next round number.
function nice(number) {
  if (number <= 0.1) return 0.1;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((top) => top >= number * 0.999);
}

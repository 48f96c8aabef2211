// Lists: a table, its filters, and the pages of a list.

import * as api from "./api.js";
import { afterTyping, labelled, make, parts, select } from "./dom.js";
import { SERVICES, serviceName } from "./format.js";

// A table whose rows have keys. A row that is still in the list stays the same element, so the focus, a selection and a
// screen reader's position stay too.
export class Table {
  // `columns`: { name, cell(item) -> text, element or list of them, kind: "text" | "number" | "actions" }. `key(item)`
  // is text. `empty` has the words for a table without rows. The cells of a column of kind "actions" are made once for
  // each row. They get a function that returns the row's newest item.
  constructor({ caption, columns, key, empty, className = "" }) {
    this.columns = columns;
    this.key = key;
    this.rows = new Map();
    this.body = make("tbody", { role: "rowgroup" });
    const head = columns.map(({ name, kind }) =>
      make("th", { scope: "col", role: "columnheader", class: kind }, kind === "actions" ? make("span", { class: "unseen" }, name) : name));
    this.table = make("table", { role: "table", class: className },
      make("caption", { class: "unseen" }, caption),
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, head)),
      this.body);
    this.empty = make("p", { class: "empty" }, empty);
    this.element = make("div", { class: "table" }, this.table, this.empty);
    this.show([]);
  }

  setEmpty(...content) {
    this.empty.replaceChildren(...content);
  }

  show(items) {
    const wanted = new Map(items.map((item) => [this.key(item), item]));
    for (const [key, row] of this.rows) {
      if (!wanted.has(key)) {
        row.element.remove();
        this.rows.delete(key);
      }
    }
    let before = null;
    for (const [key, item] of wanted) {
      const row = this.rows.get(key) ?? this.added(key, item);
      this.update(row, item);
      // Only elements in the wrong place are moved.
      const place = before === null ? this.body.firstElementChild : before.nextElementSibling;
      if (place !== row.element) this.body.insertBefore(row.element, place);
      before = row.element;
    }
    this.shown();
  }

  shown() {
    const isEmpty = this.rows.size === 0;
    this.table.hidden = isEmpty;
    this.empty.hidden = !isEmpty;
  }

  added(key, item) {
    const row = { item, signature: null };
    row.cells = this.columns.map(({ name, kind = "text", cell }) => {
      const content = kind === "actions" ? cell(() => row.item) : [];
      return make("div", {}, content);
    });
    row.element = make("tr", { role: "row" }, this.columns.map(({ name, kind = "text" }, at) =>
      make("td", { role: "cell", class: kind, "data-name": name }, row.cells[at])));
    this.rows.set(key, row);
    return row;
  }

  update(row, item) {
    const signature = JSON.stringify(item);
    if (row.signature === signature) return;
    row.signature = signature;
    row.item = item;
    this.columns.forEach(({ kind, cell }, at) => {
      if (kind !== "actions") row.cells[at].replaceChildren(...parts(cell(item)));
    });
  }
}

// The form with the filters of a list. `changed` is called at once after a choice, and a moment after typing.
export function filterForm(label, changed, ...fields) {
  const form = make("form", { class: "filters", role: "search", "aria-label": label, submit: (event) => event.preventDefault() }, fields);
  for (const choice of form.querySelectorAll("select")) choice.addEventListener("change", changed);
  const typed = afterTyping(changed);
  form.addEventListener("input", (event) => event.target instanceof HTMLInputElement && typed());
  return form;
}

// A filter by service.
export const serviceFilter = (id) => labelled("Service", select(id, [["", "all"], ...SERVICES.map((one) => [one, serviceName(one)])]));

// How many rows are shown at first. The API returns at most that many at a time.
const FIRST = 50;
const MOST = 1000;

// The part of a list that a table shows: the first rows, and further ones on demand.
export class Page {
  // `refresh` asks again. `others` says where to find the rows that the page cannot show.
  constructor(table, refresh, others) {
    this.table = table;
    this.others = others;
    this.limit = FIRST;
    this.asked = 0;
    this.button = make("button", { type: "button", click: () => {
      this.limit = Math.min(this.limit * 2, MOST);
      api.inBackground(refresh);
    } }, "Show more");
    this.words = make("span");
    this.element = make("p", { class: "more", hidden: true }, this.words, " ", this.button);
  }

  // Asks for the list. Returns null if there is nothing to show: a newer question was asked meanwhile (the filters may
  // have changed), or a filter is wrong, which the table says.
  async ask(url, filters = {}) {
    this.asked += 1;
    const mine = this.asked;
    try {
      const answer = await api.get(api.path(url, { ...filters, limit: this.limit }));
      return mine === this.asked ? answer : null;
    } catch (error) {
      if (error.status !== 400) throw error;
      if (mine === this.asked) {
        this.table.setEmpty(error.message);
        this.table.show([]);
        this.element.hidden = true;
      }
      return null;
    }
  }

  // Shows the rows. `count` is the number of all entries. Null: that is not known. `next`: there is a further page.
  show(rows, count, next) {
    this.table.show(rows);
    this.element.hidden = next === null;
    this.button.hidden = this.limit >= MOST;
    const shown = count === null ? `The first ${rows.length} are shown.` : `${rows.length} of ${count} are shown.`;
    this.words.textContent = this.button.hidden ? `${shown} ${this.others}` : shown;
  }
}

// A table whose rows have keys: a row that is still there stays the same element, so that the focus, a selection and a screen
// reader's place in it stay as well.

import { make, parts } from "./dom.js";

export class Table {
  // `columns`: { name, cell(item) -> text, element or list of them, kind: "text" | "number" | "actions" }. `key(item)` is text.
  // `empty` are the words for a table without rows. Columns of the kind "actions" are made once a row; they get a function that
  // gives the row's newest item.
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
      // Only what stands in the wrong place is moved.
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

// The table's rows beyond the first page, on demand.
export class More {
  constructor(load) {
    this.limit = 100;
    this.element = make("p", { class: "more", hidden: true });
    this.button = make("button", { type: "button" }, "Show more");
    this.button.addEventListener("click", () => {
      this.limit = Math.min(this.limit * 2, 1000);
      load();
    });
    this.words = make("span");
    this.element.append(this.words, " ", this.button);
  }

  // `there`: how many there are in all, `next`: there is another page.
  show(shown, there, next) {
    this.element.hidden = next === null || next === undefined;
    this.button.hidden = this.limit >= 1000;
    this.words.textContent = `${shown} of ${there} are shown.${this.button.hidden ? " A filter finds the others." : ""}`;
  }
}

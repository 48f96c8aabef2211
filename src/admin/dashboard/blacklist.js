// The blacklist: its entries, and forms to add and remove them.

import * as api from "./api.js";
import { change } from "./ask.js";
import { address as whole, bodyOf, button, byId, foreign, labelled, make, select, setText, textField } from "./dom.js";
import { count, counted, time } from "./format.js";
import { inWords } from "./reasons.js";
import { failed } from "./said.js";
import { Page, Table } from "./table.js";

const total = make("p", { class: "total" });

const table = new Table({
  caption: "Blacklisted addresses",
  key: ({ address }) => address,
  empty: "No address is blacklisted. One that asks for what there is not, again and again, is listed by itself.",
  columns: [
    { name: "Address", cell: (one) => whole(one.address) },
    { name: "Why", cell: why },
    { name: "Since", kind: "when", cell: (one) => time(one.since) },
    { name: "Until", kind: "when", cell: (one) => one.until === null ? "it is removed" : time(one.until) },
    { name: "Remove", kind: "actions", cell: (item) => button("Remove…", () => take(item()), { class: "small", "data-change": true, "aria-label": `Remove ${item().address} from the blacklist` }) },
  ],
});

const page = new Page(table, () => blacklist.refresh(), "portward blacklist list --limit NUMBER shows more.");

function why(one) {
  if (one.manual) return [make("span", { class: "badge" }, "by hand"), " ", foreign(one.note ?? "", { class: "words" })];
  return [make("span", { class: "reason", title: inWords(one.reason) }, one.reason), one.count === undefined ? null : ` ${counted(one.count, "request")}`];
}

export const blacklist = {
  seconds: 5,

  start() {
    const times = [["never", "until it is removed"], ["1h", "for an hour"], ["1d", "for a day"], ["30d", "for 30 days"]];
    const form = make("form", { class: "filters adding", "data-change": true, "aria-label": "Add to the blacklist" },
      labelled("Address or network", textField("b-address", { required: true, placeholder: "203.0.113.0/24" })),
      labelled("Note", make("input", { id: "b-note", type: "text", maxlength: 500, placeholder: "why", autocomplete: "off" })),
      labelled("Stays", select("b-expiration", times)),
      make("button", { type: "submit" }, "Add…"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [address, note] = [byId("b-address"), byId("b-note")];
      if (await add(address.value.trim(), note.value.trim(), byId("b-expiration"))) {
        address.value = "";
        note.value = "";
      }
    });
    bodyOf("blacklist").append(total, table.element, page.element, form);
  },

  forget: () => table.show([]),

  async refresh() {
    const answer = await page.ask("/v1/blacklist");
    if (answer === null) return;
    page.show(answer.entries, count(answer.count), answer.next);
    setText(total, answer.count === 0 ? "" : `${counted(answer.count, "address", "addresses")} listed`);
  },
};

function take({ address }) {
  return change({
    title: `Remove ${address} from the blacklist?`,
    text: "Its requests are answered again at once. If it goes on as before it is listed again.",
    yes: "Remove",
  }, async () => {
    await api.remove(`/v1/blacklist/${encodeURI(address)}`);
    return `${address} is off the blacklist.`;
  }, blacklist.refresh);
}

function add(address, note, expiration) {
  const stays = expiration.selectedOptions[0].textContent;
  return change({
    title: `Blacklist ${address}?`,
    text: [warning(address), `Everything that comes from ${address} is refused ${stays}, and its open connections are closed.`],
    yes: "Blacklist",
    dangerous: true,
  }, async () => {
    const answer = await api.post("/v1/blacklist", { address, note, expiration: expiration.value });
    if (answer.warning) failed(`${answer.address} is blacklisted ${stays}. Mind: ${answer.warning}.`);
    return `${answer.address} is blacklisted ${stays}.`;
  }, blacklist.refresh);
}

// A warning in the question if the network is so large that telephones of the administrator's own may be in it: /16 and
// larger, for IPv6 /48 and larger, because one customer has a /64 or a /56.
function warning(address) {
  const [base, length] = address.split("/");
  if (length === undefined) return base.includes(":") ? "Of IPv6 the whole /64 is listed." : [];
  const [all, large] = base.includes(":") ? [128, 80] : [32, 16];
  const bits = all - Number(length);
  if (!(bits >= large)) return [];
  const size = bits === all ? "every client there is" : `2 to the power of ${bits} addresses`;
  return make("p", { class: "failed" }, `This is a large network: ${size}. Telephones of your own may be in it.`);
}

// Opens the form with this address, for other sections.
export function addToBlacklist(address, note) {
  byId("b-address").value = address;
  byId("b-note").value = note;
  byId("blacklist").scrollIntoView();
  byId("b-address").focus();
}

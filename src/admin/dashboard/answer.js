// The answer of `explain` about a request: where it would go or why not, the rule with its file and line, and what
// would let it in.

import * as api from "./api.js";
import { button, make, visible } from "./dom.js";
import { placeOf } from "./format.js";
import { inWords } from "./reasons.js";
import { done, failed } from "./said.js";

// The answer to a question of `POST /v1/explain`, as an element. `decision`: the decision that the question is about,
// if any. `cut`: parts of the request were not kept.
export async function answerTo(question, decision = {}) {
  if (question === null || question === undefined) {
    return make("p", { class: "hint" }, decision.cut
      ? "Nothing more can be asked about this one: it is so long that only its beginning was kept."
      : "Nothing more can be asked about this one: it named no host, or what has decided is not kept.");
  }
  try {
    const answer = await api.post("/v1/explain", question);
    const isListedSince = answer.reason === "blacklisted" && (decision.reason ?? "blacklisted") !== "blacklisted";
    if (!isListedSince) return shown(answer);
    // If the client was listed later, the question leaves out its address. It asks why this request was refused at the
    // time.
    const { from, ...request } = question;
    return make("div", { class: "explanation" }, make("p", { class: "live-facts" }, `${from} is blacklisted now. Without that:`),
      shown(await api.post("/v1/explain", request)));
  } catch (error) {
    return make("p", { class: "failed" }, visible(error.message));
  }
}

const WORDS = { true: ["good", "Let in"], false: ["bad", "Refused"], null: ["warn", "It depends"] };

function shown(answer) {
  const isDown = answer.granted === true && answer.live.targets.length > 0 && answer.live.targets.every(({ state }) => state === "down");
  const [kind, words] = isDown ? ["warn", "Let in by the rules, but no target is up"] : WORDS[answer.granted];
  // The text ends with the remedy, which is shown below.
  const text = answer.remedy ? answer.text.replace(answer.remedy.text, "") : answer.text;
  return make("div", { class: "explanation" },
    make("p", { class: "verdict" }, make("span", { class: `pill ${kind}` }, words), answer.reason && make("span", { class: "reason", title: inWords(answer.reason) }, answer.reason)),
    make("pre", {}, visible(text)),
    live(answer.live),
    remedy(answer.remedy));
}

// Facts about the client and the targets that only the daemon knows.
function live({ client, targets }) {
  const lines = [];
  if (client !== null) {
    if (client.blacklist !== null) lines.push(`${client.client} is blacklisted now.`);
    if (client.blocked) lines.push(`${client.client} is in blacklist.block.`);
    if (client.allowed) lines.push(`${client.client} is in blacklist.allow.`);
    if (client.counted_as !== client.client) lines.push(`${client.client} is counted as ${client.counted_as}.`);
  }
  for (const { target, address, state, why } of targets) {
    if (state !== "up") lines.push(`The target ${address ?? target} is ${state === "down" ? `down: ${why}` : "not known to be up or down"}.`);
  }
  return lines.length > 0 && make("ul", { class: "live-facts" }, lines.map((line) => make("li", {}, line)));
}

// "Let this in": the text to write or to type. The page only shows it.
function remedy(found) {
  if (found === null || found === undefined) return null;
  const place = placeOf(found);
  const text = found.toml ?? found.command;
  return make("details", { class: "remedy" },
    make("summary", {}, "Let this in"),
    make("p", {}, visible(found.words)),
    place && make("p", { class: "place" }, "Where: ", make("code", {}, place)),
    text && make("pre", { class: "toml" }, visible(text)),
    text && make("p", { class: "buttons" }, button("Copy", () => copy(text), { class: "small" })),
    found.toml && make("p", { class: "hint" }, "This page changes no files. Put it there, then reload the rules."));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    done("Copied.");
  } catch {
    // Browsers allow copying only with https and on this machine itself.
    failed("The browser does not let this page copy. Mark the text and copy it by hand.");
  }
}

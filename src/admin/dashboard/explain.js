// "Where would it go?": the result of a request by the current rules. The user types the request, and no client has
// sent it.

import { answerTo } from "./answer.js";
import { bodyOf, byId, labelled, make, textField } from "./dom.js";

export const explain = {
  start() {
    const form = make("form", { class: "filters explain", "aria-label": "Explain a request" },
      labelled("Request", textField("e-url", { required: true, placeholder: "https://pbx.example.net/path" }),
        "Also sip:user@domain, sips:…, ldaps://host, h323s:gatekeeper, wss://host/path"),
      labelled("From", textField("e-from", { placeholder: "203.0.113.9" }), "the client's address"),
      labelled("Certificate", textField("e-cert", { placeholder: "CN=phone-12" }), "SIP and H.323: the names in it"),
      labelled("Bind", textField("e-bind", { placeholder: "cn=reader,dc=example" }), "LDAP: the DN"),
      labelled("Aliases", textField("e-alias", { placeholder: "branch-b, 4711" }), "H.323: names and numbers, by commas"),
      make("button", { type: "submit", class: "main" }, "Explain"));
    const answer = make("div", { id: "answer", class: "answer", "aria-live": "polite" });
    let asked = 0;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      asked += 1;
      const mine = asked;
      const found = await answerTo(question());
      // An answer is not shown if it comes after the next question.
      if (mine === asked) answer.replaceChildren(found);
    });
    explain.forget = () => answer.replaceChildren();
    bodyOf("explain").append(
      make("p", { class: "hint" }, "Type in what a client would ask for. Nothing is sent to a target."), form, answer);
  },
};

// The fields of the form, in the shape that the API wants.
function question() {
  const value = (id) => byId(id).value.trim();
  const all = value("e-alias").split(",").map((one) => one.trim()).filter((one) => one !== "");
  const isNumber = (one) => /^[0-9#*,]+$/.test(one);
  const wanted = { url: value("e-url"), from: value("e-from"), cert: value("e-cert"), bind: value("e-bind") };
  const given = Object.fromEntries(Object.entries(wanted).filter(([, text]) => text !== ""));
  if (all.some((one) => !isNumber(one))) given.alias = all.filter((one) => !isNumber(one));
  if (all.some(isNumber)) given.number = all.filter(isNumber);
  return given;
}

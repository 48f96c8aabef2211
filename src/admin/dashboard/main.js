// The version of the running Portward.

const answer = await fetch("/v1/status");
const status = answer.ok ? await answer.json() : {};
document.querySelector("#version").textContent = status.version ?? "";

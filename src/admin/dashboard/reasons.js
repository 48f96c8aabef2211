// Why a request is refused: the closed list of docs/log.md. A test holds both lists to the daemon's (src/reason.rs).

// These always count toward the blacklist. "other-target" and "other-name" count only where they end a connection, which a decision
// does not say, so they are among the others.

const SUSPICIOUS = ["unknown-host", "no-service", "no-path", "unsafe-path", "no-name", "method", "unknown-tenant", "sanity", "scanner",
  "malformed", "too-large", "not-tls", "timeout", "failed-login"];
const OTHERS = ["expired", "origin", "rate", "other-target", "other-name", "silent", "aborted", "tls-failed", "certificate", "disabled",
  "blacklisted", "blocked", "limit", "target-down", "target-tls", "shutdown"];

export const REASONS = [...SUSPICIOUS, ...OTHERS];

// A telephone whose PBX is down is refused as well. Only where the client may be to blame the page offers to list it.
export const isSuspicious = (reason) => SUSPICIOUS.includes(reason);

// The reasons of refusals: the closed list of docs/log.md. A test compares both lists with the daemon's
// (src/reason.rs).

// These reasons always count toward the blacklist. "other-target" and "other-name" count only if they end a connection.
// A decision does not say that, so they are among the other reasons.
const SUSPICIOUS = ["unknown-host", "no-service", "no-path", "unsafe-path", "no-name", "method", "unknown-tenant", "sanity", "scanner",
  "malformed", "too-large", "not-tls", "timeout", "failed-login"];
const OTHERS = ["expired", "origin", "rate", "other-target", "other-name", "silent", "aborted", "tls-failed", "certificate", "disabled",
  "blacklisted", "blocked", "limit", "target-down", "target-tls", "shutdown"];

export const REASONS = [...SUSPICIOUS, ...OTHERS].sort();

// The reasons in words.
const WORDS = {
  "unknown-host": "no host has this name",
  "no-service": "the host has no such service",
  "no-path": "the host has no such path",
  "unsafe-path": "the path can be read in two ways",
  "no-name": "it names no host",
  "method": "this may not come first",
  "unknown-tenant": "there is no such tenant",
  "sanity": "the SIP request contradicts itself",
  "scanner": "its User-Agent is that of a scanner",
  "malformed": "it is not what this port speaks",
  "too-large": "it is too long",
  "not-tls": "no TLS on a port for TLS",
  "timeout": "it did not come whole in time",
  "failed-login": "too many wrong logins",
  "expired": "the credential is over",
  "origin": "a page of another origin",
  "rate": "too many requests a second",
  "other-target": "a later name leads elsewhere",
  "other-name": "a later name is not that of the certificate",
  "silent": "nothing came",
  "aborted": "the client went away first",
  "tls-failed": "TLS was not agreed on",
  "certificate": "the certificate proves nothing",
  "disabled": "the host or its tenant is disabled",
  "blacklisted": "the address is blacklisted",
  "blocked": "the address is in blacklist.block",
  "limit": "a limit of Portward is reached",
  "target-down": "the PBX cannot be reached",
  "target-tls": "the TLS of the PBX failed",
  "shutdown": "Portward stops",
};
export const inWords = (reason) => WORDS[reason] ?? "";

// A telephone whose PBX is down is refused as well. So the page offers to list a client only if the client may be to
// blame.
export const isSuspicious = (reason) => SUSPICIOUS.includes(reason);

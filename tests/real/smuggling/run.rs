//! Sends the rows, and compares arriving requests with the decisions.

use std::any::Any;
use std::cell::Cell;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use super::peers::{Peer, Seen};
use super::rows::{Arrives, Outcome, PATH, Row};
use crate::harness::{PATIENCE, Portward, Wire};

/// A request that was forwarded, by the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decided {
    host: String,
    method: String,
    /// The path without its query, which the log leaves out.
    path: String,
}

/// The decisions in the log.
#[derive(Debug, Default)]
struct Decisions {
    forwarded: Vec<Decided>,
    rejected: Vec<String>,
}

/// The ways in which a row is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Alone, by TCP.
    First,
    /// Behind a good request, by TLS.
    Second,
    /// By TCP: the head first, and the rest when the head has been sent on.
    Split,
}

struct Run<'a> {
    portward: &'a Portward,
    peer: &'a Peer,
    number: Cell<usize>,
    /// How many requests must have arrived complete, in all.
    whole: Cell<usize>,
}

/// A failing table may wait for a timeout in every row. This many failures are enough.
const ENOUGH: usize = 5;

/// Runs every row in front of `peer`. Returns the failures. The first host has a path that names a tenant, so its rules
/// match segment by segment.
pub fn table(peer: &Peer, rows: &[Row]) -> Vec<String> {
    let rules = format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open/\", tcp = {0} }}, {{ path = \"/open\", tcp = {0} }}, \
         {{ path = \"/tenant/{{tenant}}\", tcp = {0}, strip = true, set = {{ X-Tenant = \"{{tenant}}\" }} }}]\n\
         [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {0} }}]\n",
        peer.port()
    );
    let portward = Portward::with_rules(&rules);
    let run = Run { portward: &portward, peer, number: Cell::new(0), whole: Cell::new(0) };
    let mut failures = Vec::new();
    for row in rows {
        if failures.len() >= ENOUGH {
            failures.push("and perhaps more: the rest was not tried".to_owned());
            break;
        }
        for place in [Place::First, Place::Second, Place::Split] {
            let breaks = matches!(row.outcome, Outcome::Broken | Outcome::Incomplete);
            if place == Place::Split && !breaks {
                continue;
            }
            // It panics if no octet comes and the connection is not closed.
            let result = catch_unwind(AssertUnwindSafe(|| run.row(row, place)));
            if let Err(what) = result.unwrap_or_else(|panic| Err(said(panic.as_ref()))) {
                failures.push(format!(
                    "{} ({}, {place:?}): {what}\n    sent {:?}",
                    row.what,
                    row.rfc,
                    shown(&row.sent)
                ));
            }
        }
    }
    portward.assert_alive();
    if failures.is_empty() {
        failures.extend(run.audit().err());
    }
    failures.iter().map(|failure| format!("in front of {}: {failure}", peer.name())).collect()
}

fn said(panic: &dyn Any) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned())
}

impl Run<'_> {
    fn row(&self, row: &Row, place: Place) -> Result<(), String> {
        self.number.set(self.number.get() + 1);
        let tag = format!("{:05}", self.number.get());
        let sent = replace(&row.sent, b"NNNNN", tag.as_bytes());
        let mark = self.portward.mark();
        let mut client = match place {
            Place::First | Place::Split => self.portward.plain(),
            Place::Second => self.portward.tls("one.example.net"),
        };
        client.set_patience(Duration::from_secs(4));
        let mut good = Vec::new();
        if place == Place::Second {
            good.push(self.good(&mut client, "before", &tag)?);
        }
        // The other side may close before it has read everything. That is expected here.
        let head = memchr::memmem::find(&sent, b"\r\n\r\n").map_or(0, |at| at + 4);
        if place == Place::Split {
            let _ = client.try_send(&sent[..head]);
            thread::sleep(Duration::from_millis(10));
            let _ = client.try_send(&sent[head..]);
        } else {
            let _ = client.try_send(&sent);
        }
        // The connection ends, or octets come that should not.
        let nothing = |client: &mut Wire| match client.some() {
            rest if rest.is_empty() => Ok(()),
            rest => Err(format!("answered {:?}", shown(&rest))),
        };
        let mut reason = None;
        match &row.outcome {
            Outcome::Refused(why) => {
                nothing(&mut client)?;
                reason = Some(*why);
            }
            Outcome::NotFound => {
                let answer = respond(&mut client, method_of(&sent))?;
                if answer.0 != 404 {
                    return Err(format!("answered {answer:?}"));
                }
                reason = Some("no-path");
            }
            Outcome::Passes(arrive) => {
                let mut open = true;
                for request in arrive {
                    let (status, close) = respond(&mut client, &request.method)?;
                    if status != 200 {
                        return Err(format!("answered {status}"));
                    }
                    good.push(tagged(request, &tag));
                    open = !close;
                }
                if open {
                    good.push(self.good(&mut client, "after", &tag)?);
                } else {
                    nothing(&mut client)?;
                }
            }
            Outcome::PassesThen(arrive, why) => {
                for request in arrive {
                    let (status, _) = respond(&mut client, &request.method)?;
                    if status != 200 {
                        return Err(format!("answered {status}"));
                    }
                    good.push(tagged(request, &tag));
                }
                if *why == "no-path" {
                    let (status, _) = respond(&mut client, "GET")?;
                    if status != 404 {
                        return Err(format!("the second one was answered {status}"));
                    }
                } else {
                    nothing(&mut client)?;
                }
                reason = Some(*why);
            }
            Outcome::Broken => {
                nothing(&mut client)?;
                reason = Some("malformed");
            }
            Outcome::Incomplete => {
                client.finish();
                nothing(&mut client)?;
            }
        }
        self.whole.set(self.whole.get() + good.len());
        let breaks = matches!(row.outcome, Outcome::Broken | Outcome::Incomplete);
        self.compare(mark, &tag, &good, reason, breaks)
    }

    /// Sends a good request on the same connection. It must get its own answer.
    fn good(&self, client: &mut Wire, what: &str, tag: &str) -> Result<Arrives, String> {
        let path = format!("/open/{tag}-{what}");
        let sent = client.try_send(format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
        sent.map_err(|error| format!("{what}: {error}"))?;
        match respond(client, "GET").map_err(|error| format!("{what}: {error}"))? {
            (200, false) => Ok(Arrives { method: "GET".to_owned(), path, body: String::new() }),
            other => Err(format!("{what}: {other:?}")),
        }
    }

    /// Waits until the log and the target have `good`. They must have nothing else.
    fn compare(
        &self,
        mark: usize,
        tag: &str,
        good: &[Arrives],
        reason: Option<&str>,
        breaks: bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let (decided, seen) = loop {
            let decided = decisions(&self.portward.lines_since(mark));
            let seen = self.peer.seen(|seen| seen.target.contains(tag));
            let whole = seen.iter().filter(|seen| seen.whole).count();
            let rejected = reason.is_none() || !decided.rejected.is_empty();
            if (decided.forwarded.len() >= good.len() + usize::from(breaks)
                && whole >= good.len()
                && rejected)
                || Instant::now() > deadline
            {
                break (decided, seen);
            }
            thread::sleep(Duration::from_millis(1));
        };
        let whole: Vec<&Seen> = seen.iter().filter(|seen| seen.whole).collect();
        let arrived: Vec<Arrives> = whole
            .iter()
            .map(|seen| Arrives {
                method: seen.method.clone(),
                path: seen.target.clone(),
                body: seen.body.clone(),
            })
            .collect();
        if arrived != good {
            return Err(format!("arrived {arrived:?}, expected {good:?}, decided {decided:?}"));
        }
        if seen.len() - whole.len() > usize::from(breaks) {
            return Err(format!("arrived in part: {seen:?}"));
        }
        if decided.forwarded.len() != good.len() + usize::from(breaks) {
            return Err(format!("decided {decided:?}, arrived {arrived:?}"));
        }
        for (decided, seen) in decided.forwarded.iter().zip(&whole) {
            check_same(decided, seen)?;
        }
        match (reason, decided.rejected.as_slice()) {
            (None, _) | (Some(""), [_]) => Ok(()),
            (Some(reason), [one]) if reason == one => Ok(()),
            (Some(reason), other) => Err(format!("rejected as {other:?}, not {reason:?}")),
        }
    }

    /// At the end: no request came late, and no request came without a decision.
    fn audit(&self) -> Result<(), String> {
        thread::sleep(Duration::from_millis(200));
        let decided = decisions(&self.portward.lines());
        let seen = self.peer.seen(|_| true);
        let whole = seen.iter().filter(|seen| seen.whole).count();
        let mut failures = String::new();
        for seen in seen.iter().filter(|seen| !seen.target.starts_with("/open/")) {
            let _ = writeln!(failures, "nobody decided about {seen:?}");
        }
        if whole > self.whole.get() {
            let _ = writeln!(failures, "{whole} arrived whole, {} were expected", self.whole.get());
        }
        if seen.len() > decided.forwarded.len() {
            let _ = writeln!(failures, "{} arrived, {} were decided", seen.len(), decided.forwarded.len());
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}

/// Checks that the target has read the decided request.
fn check_same(decided: &Decided, seen: &Seen) -> Result<(), String> {
    let path = seen.target.split('?').next().unwrap_or_default();
    if (&decided.host, &decided.method, decided.path.as_str()) != (&seen.host, &seen.method, path) {
        return Err(format!("decided {decided:?}, read {seen:?}"));
    }
    if !seen.unclean.is_empty() {
        return Err(format!("not clean: {seen:?}"));
    }
    if seen.headers.is_empty() {
        return Ok(());
    }
    let all = |name: &str| -> Vec<&str> {
        let named = seen.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    };
    let ours = [("X-Forwarded-For", "127.0.0.1".to_owned()), ("X-Forwarded-Host", seen.host.clone())];
    for (name, value) in ours {
        if all(name) != [value.as_str()] {
            return Err(format!("{name} is {:?}: {seen:?}", all(name)));
        }
    }
    if all("X-Forwarded-Proto").len() != 1 || all("Forwarded").len() != 1 {
        return Err(format!("forwarded twice: {seen:?}"));
    }
    // A request with an unexpected body is sent on a connection of its own.
    let alone =
        !seen.body.is_empty() && ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE"].contains(&&*seen.method);
    for (name, allowed) in [
        ("Connection", if alone { "close" } else { "Upgrade" }),
        ("Upgrade", "websocket"),
        ("Keep-Alive", ""),
        ("Proxy-Connection", ""),
        ("TE", ""),
        ("HTTP2-Settings", ""),
    ] {
        if all(name).iter().any(|value| *value != allowed) {
            return Err(format!("{name} ends here: {seen:?}"));
        }
    }
    let spoofed = |(name, value): &(String, String)| {
        value.contains("spoof") && !value.contains("spoof-not")
            || name.replace(|c: char| !c.is_ascii_alphanumeric(), "-") != *name
                && name.to_ascii_lowercase().contains("forwarded")
    };
    match seen.headers.iter().find(|field| spoofed(field)) {
        Some(field) => Err(format!("{field:?} arrived")),
        None => Ok(()),
    }
}

/// Returns the status, and whether the connection will be closed.
fn respond(client: &mut Wire, method: &str) -> Result<(u16, bool), String> {
    loop {
        let Some(mut answer) = client.try_head() else {
            return Err("closed instead of an answer".to_owned());
        };
        let status = answer.status();
        if (100..200).contains(&status) {
            continue;
        }
        let close = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if method != "HEAD" {
            client.body(&mut answer, true);
        }
        return Ok((status, close));
    }
}

/// Reads decision lines: `REVERSE-PROXY 12 127.0.0.1 http://HOST METHOD /PATH HTTP/1.1 -> …` or `… rejected: REASON`.
fn decisions(lines: &[String]) -> Decisions {
    let mut decisions = Decisions::default();
    for line in lines {
        let Some((_, text)) = line.split_once("REVERSE-PROXY ") else { continue };
        if let Some((_, reason)) = text.split_once(" rejected: ") {
            // The harness has tested whether the ports are open.
            if reason != "aborted" {
                decisions.rejected.push(reason.to_owned());
            }
        } else if let Some((request, _)) = text.split_once(" -> ") {
            let words: Vec<&str> = request.split(' ').collect();
            let host = words.get(2).and_then(|url| url.split_once("://")).map_or("", |(_, host)| host);
            let path = words.get(4).copied().unwrap_or_default();
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            decisions.forwarded.push(Decided {
                host: unescaped(host),
                method: words.get(3).copied().unwrap_or_default().to_owned(),
                path: unescaped(path),
            });
        }
    }
    decisions
}

/// Removes the log's escapes. Those of the path itself stay.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes.iter().copied().map(char::from).collect()
}

fn tagged(request: &Arrives, tag: &str) -> Arrives {
    Arrives {
        method: request.method.clone(),
        path: request.path.replace("NNNNN", tag),
        body: request.body.replace("NNNNN", tag),
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    debug_assert!(PATH.as_bytes().ends_with(from) && from.len() == to.len());
    let mut out = bytes.to_vec();
    let places: Vec<usize> = memchr::memmem::find_iter(bytes, from).collect();
    for at in places {
        out[at..at + to.len()].copy_from_slice(to);
    }
    out
}

fn method_of(sent: &[u8]) -> &str {
    let method = sent.split(|byte| *byte == b' ').next().unwrap_or_default();
    std::str::from_utf8(method).unwrap_or_default()
}

fn shown(bytes: &[u8]) -> String {
    let text: String = bytes.iter().take(300).copied().map(char::from).collect();
    if bytes.len() > 300 { format!("{text}…") } else { text }
}

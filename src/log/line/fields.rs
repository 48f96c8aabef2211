//! A line as the fields of a JSON object.

use serde_json::{Value, json};

use super::{HOST_CAP, METHOD_CAP, NAME_CAP, Outcome, PATH_CAP, Subject, URL_CAP, shown, without_userinfo};
use crate::cause::{Cause, Failure, decisive};
use crate::log::escape::escaped;
use crate::reason::Reason;
use crate::service::Service;

/// Takes a field by its name.
pub(super) type Set<'a> = dyn FnMut(&str, Value) + 'a;

impl Subject<'_> {
    pub(super) fn fields(&self, set: &mut Set<'_>, service: Service, query: bool) {
        match *self {
            Subject::Unknown => {}
            Subject::Signalling { who, verb, name, certificate, unproven } => {
                let [who_field, verb_field, name_field] = service.subject();
                set(who_field, escaped(who, HOST_CAP).into());
                set(verb_field, escaped(verb, METHOD_CAP).into());
                if !name.is_empty() {
                    set(name_field, escaped(name, NAME_CAP).into());
                }
                if !certificate.is_empty() {
                    set("certificate", escaped(certificate.as_bytes(), NAME_CAP).into());
                    set("certificate_cause", unproven.map(Cause::name).into());
                }
            }
            Subject::Http { host, method, target, version, user } => {
                set("host", escaped(without_userinfo(host), HOST_CAP).into());
                set("method", escaped(method, METHOD_CAP).into());
                let mut text = String::new();
                shown(&mut text, target, PATH_CAP, query);
                set("path", text.into());
                set("version", version.into());
                if !user.is_empty() {
                    set("user", escaped(user, NAME_CAP).into());
                }
            }
        }
    }
}

impl Outcome<'_> {
    pub(super) fn fields(&self, set: &mut Set<'_>, query: bool) {
        match self {
            Outcome::Forwarded { to, new } => {
                set("outcome", "forwarded".into());
                set("target", to.to_string().into());
                set("new", (*new).into());
            }
            Outcome::Redirected(to) => {
                set("outcome", "redirected".into());
                let mut text = String::new();
                shown(&mut text, to.as_bytes(), URL_CAP, query);
                set("location", text.into());
            }
            Outcome::Challenge => set("outcome", "challenge".into()),
            Outcome::AskedToLogIn => set("outcome", "login".into()),
            Outcome::WebSocket => set("outcome", "websocket".into()),
            Outcome::Exchanged => set("outcome", "exchange".into()),
            Outcome::Rejected { reason, cause, failures } => {
                set("outcome", "rejected".into());
                set("reason", reason.name().into());
                let decisive = decisive(failures);
                let cause = decisive.map(|failure| failure.cause).or(*cause);
                set("target", decisive.map(|failure| failure.at.to_string()).into());
                set("cause", cause.map(Cause::name).into());
                if !failures.is_empty() {
                    let shown = failures.iter().map(as_json);
                    set("failures", shown.collect::<Vec<_>>().into());
                }
            }
            Outcome::Done { status, bytes: [up, down], took } => {
                set("outcome", "ended".into());
                set("status", (*status).into());
                set("bytes_up", (*up).into());
                set("bytes_down", (*down).into());
                set("milliseconds", u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into());
            }
            Outcome::Ended { ending, target, bytes: [up, down], seconds } => {
                set("outcome", "ended".into());
                set("by", ending.responsible.name().into());
                set("stage", ending.stage.name().into());
                set("reason", ending.reason.map(Reason::name).into());
                set("target", target.map(|target| target.to_string()).into());
                set("cause", ending.cause.map(Cause::name).into());
                set("bytes_up", (*up).into());
                set("bytes_down", (*down).into());
                set("seconds", (*seconds).into());
            }
        }
    }
}

fn as_json(failure: &Failure) -> Value {
    json!({ "target": failure.at.to_string(), "cause": failure.cause.name() })
}

//! A line in words, in the reference's manner.

use std::fmt::{self, Write as _};

use super::{HOST_CAP, METHOD_CAP, NAME_CAP, Outcome, PATH_CAP, Subject, URL_CAP, shown, without_userinfo};
use crate::cause::{Cause, FailedAt, Failure};
use crate::log::escape::escape;

impl Subject<'_> {
    pub(super) fn write(&self, text: &mut String, query: bool) {
        match *self {
            Subject::Unknown => text.push('-'),
            Subject::Signalling { who, verb, name, certificate, .. } => {
                escape(text, if who.is_empty() { b"-" } else { who }, HOST_CAP);
                text.push(' ');
                escape(text, verb, METHOD_CAP);
                if !name.is_empty() {
                    text.push(' ');
                    escape(text, name, NAME_CAP);
                }
                if !certificate.is_empty() {
                    text.push_str(" cert=");
                    escape(text, certificate.as_bytes(), NAME_CAP);
                }
            }
            Subject::Http { host, method, target, version, user } => {
                escape(text, without_userinfo(host), HOST_CAP);
                text.push(' ');
                escape(text, method, METHOD_CAP);
                text.push(' ');
                shown(text, target, PATH_CAP, query);
                text.extend([" ", version]);
                if !user.is_empty() {
                    text.push_str(" user=");
                    escape(text, user, NAME_CAP);
                }
            }
        }
    }
}

impl Outcome<'_> {
    /// Writes the outcome. `unproven`: why the client's certificate proves nothing, if the line does not say so yet.
    pub(super) fn write(&self, text: &mut String, query: bool, unproven: Option<Cause>) -> fmt::Result {
        match self {
            Outcome::Forwarded { to, new } => {
                write!(text, " -> {to}{}", if *new { "(new)" } else { "" })?;
                match unproven {
                    Some(cause) => write!(text, " not proven: {cause}"),
                    None => Ok(()),
                }
            }
            Outcome::Redirected(to) => {
                text.push_str(" -> redirect ");
                shown(text, to.as_bytes(), URL_CAP, query);
                Ok(())
            }
            Outcome::Challenge => write!(text, " -> acme_webroot"),
            Outcome::AskedToLogIn => write!(text, " -> login"),
            Outcome::WebSocket => write!(text, " -> websocket"),
            Outcome::Exchanged => write!(text, " -> exchange"),
            Outcome::Rejected { reason, cause, failures } => {
                write!(text, " rejected: {reason}")?;
                match (*failures, cause) {
                    ([], Some(cause)) => write!(text, " {cause}"),
                    (failures, _) => said(text, failures),
                }
            }
            Outcome::Done { status, bytes: [up, down], took } => {
                match status {
                    Some(status) => write!(text, " ended {status}")?,
                    None => text.push_str(" ended -"),
                }
                write!(text, ": {up} bytes up, {down} bytes down, {} ms", took.as_millis())
            }
            Outcome::Ended { ending, target, bytes: [up, down], seconds } => {
                write!(text, " ended by {} in {}", ending.responsible.name(), ending.stage.name())?;
                if let Some(reason) = ending.reason {
                    write!(text, " ({reason})")?;
                }
                write!(text, ": {up} bytes up, {down} bytes down, {seconds:.3} s")?;
                match (ending.cause, target) {
                    (Some(cause), Some(target)) => write!(text, ", {target} {cause}"),
                    (Some(cause), None) => write!(text, ", {cause}"),
                    (None, _) => Ok(()),
                }
            }
        }
    }
}

/// The failures of a target, one after the other.
fn said(text: &mut String, failures: &[Failure]) -> fmt::Result {
    for (number, failure) in failures.iter().enumerate() {
        text.push_str(if number == 0 { " " } else { ", " });
        match &failure.at {
            FailedAt::Address(address) => write!(text, "{address}")?,
            FailedAt::Name(name, port) => {
                escape(text, name.as_bytes(), HOST_CAP);
                write!(text, ":{port}")?;
            }
        }
        write!(text, " {}", failure.cause)?;
    }
    Ok(())
}

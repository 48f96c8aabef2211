//! An explanation in words.

use std::fmt;

use super::{Admission, Challenge, Explanation, Presence, Rule, Verdict};
use crate::route::signalling::Answer;
use crate::rules::CredentialUser;
use crate::service::Transport;

/// Shows an explanation. The first line has the question and the result, and the following lines have the causes.
#[derive(Debug)]
pub struct Text<'e>(pub &'e Explanation);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(explanation) = self;
        f.write_str(&explanation.url)?;
        match explanation.unknown() {
            Some(unknown) if explanation.admission() == Admission::Unknown => {
                write!(f, " unknown: {unknown}\n  else   {}", Way(&explanation.verdict))?;
            }
            _ => Way(&explanation.verdict).fmt(f)?,
        }
        if let Verdict::Rejected { why, .. } = &explanation.verdict {
            write!(f, "\n  why     {why}")?;
        }
        if let Some(rule) = &explanation.rule {
            shown(rule, f)?;
        }
        for (word, line) in explanation.treated.lines() {
            write!(f, "\n  {word:<7} {line}")?;
        }
        if let Some(proof) = &explanation.proof {
            write!(f, "\n  cert    {proof}")?;
        }
        if let Some(Challenge::Webroot { file, presence }) = &explanation.challenge {
            let file = file.display();
            match presence {
                Presence::Yes => write!(f, "\n  acme    tls.acme_webroot has {file}")?,
                Presence::No => write!(f, "\n  acme    tls.acme_webroot has no {file}, so the rules decide")?,
                Presence::Unknown(_) => {}
            }
        }
        if let (Some(unsure), Admission::No) = (&explanation.unsure, explanation.admission()) {
            write!(f, "\n  and     {unsure}")?;
        }
        if let Some(host) = &explanation.host {
            write!(f, "\n  host    {} at {}", host.name, host.at)?;
            host.tenant.as_ref().map_or(Ok(()), |tenant| write!(f, "\n  tenant  {tenant}"))?;
        }
        explanation.remedy.as_ref().map_or(Ok(()), |remedy| remedy.fmt(f))
    }
}

fn shown(rule: &Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match rule {
        Rule::Path { path, default, preset, at } => {
            let path = match path.as_str() {
                _ if *default => "default",
                "" => "the empty path, which matches every path",
                path => path,
            };
            write!(f, "\n  rule    {path}")?;
            if let Some(preset) = preset {
                write!(f, " (preset {preset})")?;
            }
            write!(f, "\n  at      {at}")
        }
        Rule::Of { service, credentials, at } => {
            write!(f, "\n  rule    {service}")?;
            match credentials {
                Some(CredentialUser::Named) => f.write_str(", demands ephemeral credentials")?,
                Some(CredentialUser::Any) => f.write_str(", demands ephemeral credentials of any user")?,
                None => {}
            }
            write!(f, "\n  at      {at}")
        }
        Rule::Setting { key, file } => write!(f, "\n  rule    {key}\n  at      {}", file.display()),
    }
}

/// The result of a request, as the end of a line.
struct Way<'e>(&'e Verdict);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Verdict::Forward { targets, transport, .. } => {
                let way = if *transport == Transport::Tls { "TLS" } else { "plain" };
                write!(f, " -> {} ({way})", targets.join(", "))
            }
            Verdict::Redirect { location } => write!(f, " -> 308 {location}"),
            Verdict::WebSocket => f.write_str(
                " -> 101 for an Origin that the rule names; then the host in From decides, as for a sip: or sips: URL",
            ),
            Verdict::Exchange { domain: Some(domain) } => write!(
                f,
                " -> 200 with a credential at {domain}, for a POST with a good one of the tenant, from an Origin that the rule names"
            ),
            Verdict::Exchange { domain: None } => f.write_str(
                " -> 503: nothing is exchanged without secrets under [sip], and without a domain of the tenant",
            ),
            Verdict::Document { file } => write!(f, " -> 200 {}", file.display()),
            Verdict::Answered(Answer::Methods) => {
                f.write_str(" -> 200 with the methods that Portward relays; the connection stays undecided")
            }
            Verdict::Answered(Answer::Unavailable) => {
                f.write_str(" -> 480, come again when you are registered; the connection stays undecided")
            }
            Verdict::Answered(Answer::Nothing) => f.write_str(" -> nothing: it has no answer"),
            Verdict::Rejected { reason, .. } => write!(f, " rejected: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests;

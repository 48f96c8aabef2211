//! The answer for programs.

use serde_json::{Map, Value, json};

use super::answer::{Admission, Challenge, Explanation, Presence, Rule, Verdict};
use crate::route::signalling::Answer;
use crate::service::Transport;

impl Explanation {
    /// The explanation as one object. `decision` is the result: `forward`, `redirect`, `answer`, `reject`, or
    /// `unknown`. If it is `unknown`, `why` names the unknown fact, and `otherwise` has the result without it.
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        put("url", self.url.as_str().into());
        let decision = match &self.verdict {
            Verdict::Forward { .. } => "forward",
            Verdict::Redirect { .. } => "redirect",
            Verdict::Answered(_)
            | Verdict::WebSocket
            | Verdict::Exchange { .. }
            | Verdict::Document { .. } => "answer",
            Verdict::Rejected { .. } => "reject",
        };
        match (self.admission(), self.unknown()) {
            (Admission::Unknown, Some(unknown)) => {
                put("decision", "unknown".into());
                put("otherwise", decision.into());
                put("why", unknown.to_string().into());
            }
            (_, unknown) => {
                put("decision", decision.into());
                unknown.map(|unknown| put("unknown", unknown.to_string().into()));
            }
        }
        match &self.verdict {
            Verdict::Forward { targets, transport, .. } => {
                put("targets", targets.as_slice().into());
                put("tls", (*transport == Transport::Tls).into());
            }
            Verdict::Redirect { location } => {
                put("status", 308.into());
                put("location", location.as_str().into());
            }
            Verdict::Answered(answer) => {
                put("status", status(*answer).into());
            }
            Verdict::WebSocket => {
                put("status", 101.into());
            }
            Verdict::Exchange { domain } => {
                put("status", if domain.is_some() { 200 } else { 503 }.into());
                put("domain", domain.as_deref().into());
            }
            Verdict::Document { file } => {
                put("status", 200.into());
                put("file", file.display().to_string().into());
            }
            Verdict::Rejected { reason, why } => {
                put("reason", reason.name().into());
                if self.admission() == Admission::No {
                    put("why", why.to_string().into());
                }
            }
        }
        match &self.rule {
            Some(Rule::Path { path, default, preset, at }) => {
                let at = at.to_string();
                put("rule", json!({ "path": path, "default": default, "preset": preset, "at": at }));
            }
            Some(Rule::Of { service, credentials, at }) => {
                let mut rule = json!({ "service": service.name(), "at": at.to_string() });
                if let (Some(user), Some(rule)) = (credentials, rule.as_object_mut()) {
                    rule.insert("credentials".to_owned(), "ephemeral".into());
                    rule.insert("credential_user".to_owned(), user.name().into());
                }
                put("rule", rule);
            }
            Some(Rule::Setting { key, file }) => {
                put("rule", json!({ "setting": key, "at": file.display().to_string() }));
            }
            None => {}
        }
        if let Some(proof) = &self.proof {
            put("certificate", json!({ "proven": proof.proven, "why": proof.to_string() }));
        }
        if let Some(Challenge::Webroot { file, presence }) = &self.challenge {
            put("acme", json!({ "file": file.display().to_string(), "exists": exists(presence) }));
        }
        if let Some(host) = &self.host {
            put("host", json!({ "name": host.name, "tenant": host.tenant, "at": host.at.to_string() }));
        }
        self.treated.put_json(&mut json);
        if let Some(remedy) = &self.remedy {
            json.insert("remedy".to_owned(), remedy.to_json());
        }
        Value::Object(json)
    }
}

/// The status of Portward's own answer to a SIP request. `None`: there is no answer.
const fn status(answer: Answer) -> Option<u16> {
    match answer {
        Answer::Nothing => None,
        Answer::Methods => Some(200),
        Answer::Unavailable => Some(480),
    }
}

const fn exists(presence: &Presence) -> Option<bool> {
    match presence {
        Presence::Yes => Some(true),
        Presence::No => Some(false),
        Presence::Unknown(_) => None,
    }
}

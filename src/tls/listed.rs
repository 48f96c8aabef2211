//! Portward's own certificates for programs. `portward cert list --json` and `/v1/certificates` show the same.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Certificate, Facts, ServerTls, UpstreamTls};

impl Facts {
    /// The facts of a certificate in JSON.
    pub fn to_json(&self) -> Value {
        let time = |time: OffsetDateTime| time.format(&Rfc3339).ok();
        json!({
            "names": self.names,
            "subject": self.subject,
            "common_name": self.common_name,
            "issuer": self.issuer,
            "not_before": time(self.not_before),
            "not_after": time(self.not_after),
            "key": self.key,
            "fingerprint": format!("sha256:{}", self.fingerprint_hex()),
        })
    }
}

/// The certificates for clients first, then the one that Portward presents to targets.
pub fn listed(server: &ServerTls, upstream: &UpstreamTls) -> Vec<Value> {
    let of_clients = server.certificates().map(|one| one_json(one, "client", server.is_default(one)));
    let of_targets = upstream.certificate().map(|one| one_json(one, "target", false));
    of_clients.chain(of_targets).collect()
}

/// `shown_to`: the peers to which the certificate is shown.
fn one_json(one: &Certificate, shown_to: &str, default: bool) -> Value {
    let mut value = one.facts.to_json();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("name".to_owned(), one.name.clone().into());
        fields.insert("file".to_owned(), one.file.display().to_string().into());
        fields.insert("shown_to".to_owned(), shown_to.into());
        fields.insert("default".to_owned(), default.into());
    }
    value
}

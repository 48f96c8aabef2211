//! Judges what a client's certificate is worth to the host that the client asks for (contract section 5). This happens
//! once a connection, when the decision is made, also if the TLS session was resumed.

use rustls_pki_types::UnixTime;

use super::client::Client;
use crate::cause::Cause;
use crate::ending::Ending;
use crate::log::Subject;
use crate::proof::Names;
use crate::reason::Reason;
use crate::rules::decide;
use crate::state::Snapshot;
use crate::tls::CertificateStatus;

/// The verdict on the client's certificate, by the trust store of the host called `name` or by `tls.client_trust`.
/// `None`: the client came without TLS.
pub(super) fn judge(client: &Client, snapshot: &Snapshot, name: &[u8]) -> Option<CertificateStatus> {
    let chain = client.leg.stream.peer_certificates()?;
    let host = decide::host_named(&snapshot.table, name).ok();
    let trust = snapshot.client_trusts.of(host.and_then(|host| host.client_trust()));
    Some(trust.judge(chain, client.possession, UnixTime::now()))
}

/// The names in the certificate, if it is trusted.
pub(super) fn names(verdict: Option<&CertificateStatus>) -> Option<&Names> {
    match verdict {
        Some(CertificateStatus::Ok(names)) => Some(names),
        _ => None,
    }
}

/// What the log says about a client's certificate.
#[derive(Debug, Clone, Default)]
pub(super) struct Worth {
    /// The verdict. Empty: the client came without TLS.
    verdict: Box<str>,
    /// Why the certificate proves nothing. `None`: it proves the name, or nothing had to be proven.
    unproven: Option<Cause>,
}

impl Worth {
    /// The log's text for a verdict. The certificate is trusted or not trusted, whatever the rule says.
    pub(super) fn of(verdict: Option<&CertificateStatus>) -> Self {
        let text = verdict.map(ToString::to_string).unwrap_or_default();
        Self { verdict: text.into(), unproven: verdict.and_then(CertificateStatus::cause) }
    }

    /// The subject of a decision for the log: the host that the client asks for, the verb, and the user or alias.
    pub(super) fn subject<'a>(&'a self, who: &'a [u8], verb: &'a [u8], name: &'a [u8]) -> Subject<'a> {
        Subject::Signalling { who, verb, name, certificate: &self.verdict, unproven: self.unproven }
    }

    /// The rule has Check Certificate, and the certificate has not proven the name. It may be trusted all the same.
    pub(super) fn fails(&mut self) {
        if !self.verdict.is_empty() {
            self.unproven.get_or_insert(Cause::WrongName);
        }
    }

    /// The ending of a refusal, with its cause.
    pub(super) fn refusal(&mut self, ending: Ending) -> Ending {
        if ending.reason != Some(Reason::Certificate) {
            return ending;
        }
        self.fails();
        // A client that came without TLS could not show a certificate.
        ending.by(self.unproven.unwrap_or(Cause::NoCertificate))
    }
}

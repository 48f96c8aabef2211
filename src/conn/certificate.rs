//! What the certificate of a client is worth to the host that it asks for (SPEC section 5): judged once a connection, when
//! the decision falls, also if the TLS session was resumed.

use rustls_pki_types::UnixTime;

use super::client::Client;
use crate::proof::Names;
use crate::rules::decide;
use crate::state::Snapshot;
use crate::tls::Verdict;

/// The verdict, by the trust of the host called `name` or by `tls.client_trust`; `None` for a client that came without
/// TLS.
pub(super) fn judge(client: &Client, snapshot: &Snapshot, name: &[u8]) -> Option<Verdict> {
    let chain = client.leg.stream.peer_certificates()?;
    let host = decide::host_named(&snapshot.table, name).ok();
    let trust = snapshot.client_trusts.of(host.and_then(|host| host.client_trust()));
    Some(trust.judge(chain, client.possession, UnixTime::now()))
}

/// The names in a certificate that is trusted.
pub(super) fn names(verdict: Option<&Verdict>) -> Option<&Names> {
    match verdict {
        Some(Verdict::Ok(names)) => Some(names),
        _ => None,
    }
}

/// For the log.
pub(super) fn shown(verdict: Option<&Verdict>) -> String {
    verdict.map(ToString::to_string).unwrap_or_default()
}

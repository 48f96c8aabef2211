//! `exchange = "sip"` of an HTTP rule: clients exchange a tenant's credential for one of Portward's own (contract section 9).

use super::Origins;

/// What such a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeRule {
    /// The pages whose scripts may read the answer. Clients without an Origin are no pages, and may come.
    pub origins: Origins,
    /// Where the credential is good, as the answer says it: `wss://webrtc.example/sip`.
    pub uris: Box<[Box<str>]>,
}

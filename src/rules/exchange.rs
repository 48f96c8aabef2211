//! `exchange = "sip"` of an HTTP rule: clients exchange a tenant's credential for one of Portward's own (contract section 9).

use super::Origins;

/// The settings of such a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeRule {
    /// The pages whose scripts may read the answer. Clients without an Origin are not browsers, and may use the
    /// exchange.
    pub origins: Origins,
    /// The URIs in the answer, where the credential is valid: `wss://webrtc.example/sip`.
    pub uris: Box<[Box<str>]>,
}

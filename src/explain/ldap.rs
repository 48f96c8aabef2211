//! LDAP: a simple bind with a password, which [`directory`](crate::route::directory) decides.

use super::answer::Explanation;
use super::once::Once;
use super::url::Url;
use super::why::Why;
use super::{Client, Grounds};
use crate::inspect::Inspect;
use crate::inspect::ldap::{Ask, Inspector};
use crate::reason::Reason;
use crate::route::Refused;

/// Explains an LDAP question. A client connects to the host of the URL, and that host decides nothing. Without the name
/// of a bind it is used as the domain of one.
pub(super) fn explain(grounds: &Grounds<'_>, url: &Url, host: &str, client: &Client) -> Explanation {
    let once = Once { grounds, url, names: None, claims: String::new() };
    let name = match &client.bind {
        Some(name) => name.clone(),
        None if host.is_empty() => "user".to_owned(),
        None => format!("{host}\\user"),
    };
    let bind = match Inspector.inspect(&request(name.as_bytes())) {
        Inspect::Found { ask: Ask::Bind(bind), .. } => bind,
        Inspect::Reject(reason) => return once.refuse(reason, Why::Reason(reason)),
        _ => return once.refuse(Reason::Malformed, Why::Reason(Reason::Malformed)),
    };
    let terms = grounds.config.ldap_terms(grounds.table);
    match terms.host(&bind) {
        Ok(host) => once.explain(terms.decide(url.transport(), host), host),
        Err(Reason::Malformed) if bind.name.is_err() => once.refuse(Reason::Malformed, Why::Unclear),
        Err(reason) => once.explain(Err(Refused::from(reason)), &[]),
    }
}

/// A BindRequest of version 3 with a password (RFC 4511 §4.2) and the messageID 1.
fn request(name: &[u8]) -> Vec<u8> {
    let parts = [&[0x02, 1, 3][..], &element(0x04, name), &element(0x80, b"password")].concat();
    element(0x30, &[&[0x02, 1, 1], &element(0x60, &parts)[..]].concat())
}

/// A BER element. Its length has four octets (X.690 §8.1.3.5).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[tag, 0x84, a, b, c, d], content].concat()
}

//! Portward's own messages to an LDAP client. `ldap3_proto` writes them, so that any client can read them.

use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{
    LdapBindResponse, LdapExtendedResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult,
    LdapResultCode, LdapSearchResultEntry,
};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Encoder as _;

use crate::inspect::ldap::{Operation, RootDse, START_TLS};

/// RFC 4511 §4.4.1.
const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// The answer to a StartTLS request (RFC 4511 §4.14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Success: the client's next octet begins TLS.
    Go,
    /// TLS is in use already.
    Already,
    /// The request came after a bind. The connection to the target cannot change any more.
    AfterBind,
    /// Portward has no certificate: "whether by design or by current configuration" (§4.14.1).
    NoCertificate,
}

/// An ExtendedResponse to StartTLS.
pub fn start_tls(id: u32, outcome: StartTls) -> BytesMut {
    let (code, text) = match outcome {
        StartTls::Go => (LdapResultCode::Success, ""),
        StartTls::Already => (LdapResultCode::OperationsError, "TLS is already established"),
        StartTls::AfterBind => (LdapResultCode::OperationsError, "StartTLS comes before the bind"),
        StartTls::NoCertificate => (LdapResultCode::ProtocolError, "TLS is not available"),
    };
    let name = str::from_utf8(START_TLS).ok().map(str::to_owned);
    encode(id, LdapOp::ExtendedResponse(LdapExtendedResponse { res: result(code, text), name, value: None }))
}

/// The answer to a search of the root DSE (RFC 4512 §5.1). It lists Portward's own abilities and nothing of the
/// directories behind it. `start_tls`: this connection offers StartTLS.
pub fn root_dse(search: &RootDse, start_tls: bool) -> BytesMut {
    if search.is_critical {
        let res = result(LdapResultCode::UnavailableCriticalExtension, "");
        return encode(search.id, LdapOp::SearchResultDone(res));
    }
    let wanted = search.wanted;
    let all = [
        (wanted.object_class, "objectClass", &b"top"[..]),
        (wanted.versions, "supportedLDAPVersion", b"3"),
        (wanted.extensions && start_tls, "supportedExtension", START_TLS),
    ];
    let attribute = |(_, name, value): (bool, &str, &[u8])| LdapPartialAttribute {
        atype: name.to_owned(),
        vals: if search.types_only { Vec::new() } else { vec![value.to_vec()] },
    };
    let attributes = all.into_iter().filter(|(wanted, ..)| *wanted).map(attribute).collect();
    let mut octets = BytesMut::new();
    if search.matches {
        let entry = LdapSearchResultEntry { dn: String::new(), attributes };
        octets.extend_from_slice(&encode(search.id, LdapOp::SearchResultEntry(entry)));
    }
    let done = LdapOp::SearchResultDone(result(LdapResultCode::Success, ""));
    octets.extend_from_slice(&encode(search.id, done));
    octets
}

/// A BindResponse `unwillingToPerform`.
pub fn bind_refused(id: u32) -> BytesMut {
    let res = result(LdapResultCode::UnwillingToPerform, "");
    encode(id, LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None }))
}

/// The refusal of an operation, in the response type that belongs to it. `unavailable`: the client is not at fault.
/// Empty for operations without a response.
pub fn refused(id: u32, operation: Operation, unavailable: bool) -> BytesMut {
    let unwilling = LdapResultCode::UnwillingToPerform;
    let res = result(if unavailable { LdapResultCode::Unavailable } else { unwilling }, "");
    let response = match operation {
        Operation::Bind => LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None }),
        Operation::Search => LdapOp::SearchResultDone(res),
        Operation::Modify => LdapOp::ModifyResponse(res),
        Operation::Add => LdapOp::AddResponse(res),
        Operation::Delete => LdapOp::DelResponse(res),
        Operation::ModifyDn => LdapOp::ModifyDNResponse(res),
        Operation::Compare => LdapOp::CompareResult(res),
        Operation::Extended => {
            LdapOp::ExtendedResponse(LdapExtendedResponse { res, name: None, value: None })
        }
        Operation::Unbind | Operation::Abandon => return BytesMut::new(),
    };
    encode(id, response)
}

/// The last message to a client that has sent no LDAP message: `protocolError`.
pub fn disconnection() -> BytesMut {
    let res = result(LdapResultCode::ProtocolError, "");
    let name = Some(NOTICE_OF_DISCONNECTION.to_owned());
    encode(0, LdapOp::ExtendedResponse(LdapExtendedResponse { res, name, value: None }))
}

fn result(code: LdapResultCode, text: &str) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: text.to_owned(), referral: Vec::new() }
}

fn encode(id: u32, op: LdapOp) -> BytesMut {
    let mut octets = BytesMut::new();
    // An inspected messageID is at most 2^31-1. Writing into memory does not fail.
    let message = LdapMsg::new(i32::try_from(id).unwrap_or_default(), op);
    let _ = LdapCodec::default().encode(message, &mut octets);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_as_the_rfc_writes_them() {
        let text = b"TLS is already established";
        let inside =
            [&[0x02, 1, 9, 0x78, 57, 0x0a, 1, 1, 0x04, 0, 0x04, 26][..], text, &[0x8a, 22], START_TLS];
        let already = [&[0x30, 62][..], &inside.concat()].concat();
        assert_eq!(&start_tls(9, StartTls::Already)[..], already);
        let go = [&[0x30, 36, 2, 1, 9, 0x78, 31, 0x0a, 1, 0, 4, 0, 4, 0, 0x8a, 22][..], START_TLS].concat();
        assert_eq!(&start_tls(9, StartTls::Go)[..], go);
        assert_eq!(&bind_refused(300)[..], [0x30, 13, 2, 2, 1, 44, 0x61, 7, 0x0a, 1, 53, 4, 0, 4, 0]);
        assert_eq!(
            &refused(5, Operation::Search, false)[..],
            [0x30, 12, 2, 1, 5, 0x65, 7, 0x0a, 1, 53, 4, 0, 4, 0]
        );
        assert_eq!(
            &refused(5, Operation::Bind, true)[..],
            [0x30, 12, 2, 1, 5, 0x61, 7, 0x0a, 1, 52, 4, 0, 4, 0]
        );
        assert!(refused(5, Operation::Abandon, false).is_empty());
        let notice = disconnection();
        assert_eq!(&notice[..9], [0x30, 36, 2, 1, 0, 0x78, 31, 0x0a, 1]);
        assert!(notice.ends_with(NOTICE_OF_DISCONNECTION.as_bytes()));
    }
}

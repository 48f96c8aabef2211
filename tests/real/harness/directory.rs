//! LDAP messages, and a small directory of our own. It accepts `domain\user` binds, which slapd refuses, and obeys the
//! test.

use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapDerefAliases, LdapExtendedRequest,
    LdapExtendedResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult, LdapResultCode,
    LdapSearchRequest, LdapSearchResultEntry, SaslCredentials,
};
use ldap3_proto::{LdapFilter, LdapSearchScope};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::{Target, Wire};

/// The object identifier of StartTLS.
pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// A message in its octets.
pub fn encode(id: i32, op: LdapOp) -> Vec<u8> {
    let mut octets = BytesMut::new();
    LdapCodec::default().encode(LdapMsg::new(id, op), &mut octets).unwrap();
    octets.to_vec()
}

/// A simple bind.
pub fn bind(id: i32, name: &str, password: &str) -> Vec<u8> {
    let cred = LdapBindCred::Simple(password.to_owned());
    encode(id, LdapOp::BindRequest(LdapBindRequest { version: 3, dn: name.to_owned(), cred }))
}

/// A SASL bind.
pub fn sasl(id: i32, mechanism: &str, credentials: &[u8]) -> Vec<u8> {
    let cred = LdapBindCred::SASL(SaslCredentials {
        mechanism: mechanism.to_owned(),
        credentials: credentials.to_vec(),
    });
    encode(id, LdapOp::BindRequest(LdapBindRequest { version: 3, dn: String::new(), cred }))
}

/// A search of the whole tree below `base`.
pub fn search(id: i32, base: &str) -> Vec<u8> {
    encode(
        id,
        LdapOp::SearchRequest(LdapSearchRequest {
            base: base.to_owned(),
            scope: LdapSearchScope::Subtree,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter: LdapFilter::Present("objectClass".to_owned()),
            attrs: Vec::new(),
        }),
    )
}

/// StartTLS.
pub fn start_tls(id: i32) -> Vec<u8> {
    named(id, START_TLS)
}

/// An extended request.
pub fn named(id: i32, name: &str) -> Vec<u8> {
    encode(id, LdapOp::ExtendedRequest(LdapExtendedRequest { name: name.to_owned(), value: None }))
}

/// An unbind.
pub fn unbind(id: i32) -> Vec<u8> {
    encode(id, LdapOp::UnbindRequest)
}

/// A result without a message.
pub fn result(code: LdapResultCode) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: String::new(), referral: Vec::new() }
}

/// The next message of the other side. `None`: the connection is closed.
pub fn next(wire: &mut Wire) -> Option<LdapMsg> {
    let mut octets = BytesMut::new();
    let mut codec = LdapCodec::new(Some(1 << 20), None);
    loop {
        if let Some(message) = codec.decode(&mut octets).unwrap() {
            wire.give_back(&octets);
            return Some(message);
        }
        let more = wire.some();
        if more.is_empty() {
            assert!(octets.is_empty(), "closed within a message: {octets:02x?}");
            return None;
        }
        octets.extend_from_slice(&more);
    }
}

/// The result in the next message, which must answer `id`, and the name of an extended response.
pub fn answer(wire: &mut Wire, id: i32) -> (LdapResultCode, Option<String>) {
    let LdapMsg { msgid, op, .. } = next(wire).expect("closed without an answer");
    assert_eq!(msgid, id, "{op:?}");
    match op {
        LdapOp::BindResponse(LdapBindResponse { res, .. }) => (res.code, None),
        LdapOp::SearchResultDone(res) | LdapOp::DelResponse(res) => (res.code, None),
        LdapOp::ExtendedResponse(LdapExtendedResponse { res, name, .. }) => (res.code, name),
        other => panic!("{other:?}"),
    }
}

/// The number of entries of a search, and its result.
pub fn entries(wire: &mut Wire, id: i32) -> (usize, LdapResultCode) {
    let mut count = 0;
    loop {
        let LdapMsg { msgid, op, .. } = next(wire).expect("closed within a search");
        assert_eq!(msgid, id);
        match op {
            LdapOp::SearchResultEntry(_) => count += 1,
            LdapOp::SearchResultDone(res) => return (count, res.code),
            other => panic!("{other:?}"),
        }
    }
}

/// A directory that knows these names, all with `password`. A search finds `found` entries.
pub fn directory(names: &'static [&'static str], password: &'static str, found: usize) -> Target {
    Target::scripted(move |conn| serve(conn, names, password, found))
}

/// Serves one connection of [`directory`].
pub fn serve(conn: &mut Wire, names: &[&str], password: &str, found: usize) {
    while let Some(LdapMsg { msgid, op, .. }) = next(conn) {
        let answers = match op {
            LdapOp::BindRequest(LdapBindRequest { dn, cred, .. }) => {
                let good = matches!(&cred, LdapBindCred::Simple(given) if given == password)
                    && names.contains(&dn.as_str());
                let anonymous = dn.is_empty() || cred == LdapBindCred::Simple(String::new());
                let code = if good || anonymous {
                    LdapResultCode::Success
                } else {
                    LdapResultCode::InvalidCredentials
                };
                let response = LdapBindResponse { res: result(code), saslcreds: None };
                encode(msgid, LdapOp::BindResponse(response))
            }
            LdapOp::SearchRequest(_) => self::found(msgid, found),
            LdapOp::UnbindRequest => return,
            LdapOp::AbandonRequest(_) => continue,
            other => panic!("{other:?}"),
        };
        if conn.try_send(answers).is_err() {
            return;
        }
    }
}

/// The result of a search in such a directory: `count` entries and the end of the search.
pub fn found(id: i32, count: usize) -> Vec<u8> {
    let mut octets: Vec<u8> = (0..count).flat_map(|number| entry(id, number)).collect();
    octets.extend(encode(id, LdapOp::SearchResultDone(result(LdapResultCode::Success))));
    octets
}

fn entry(id: i32, number: usize) -> Vec<u8> {
    let attributes = vec![LdapPartialAttribute { atype: "cn".to_owned(), vals: vec![vec![b'x'; 40]] }];
    let entry = LdapSearchResultEntry { dn: format!("cn={number}"), attributes };
    encode(id, LdapOp::SearchResultEntry(entry))
}

//! A directory. It accepts every bind with a password, has a small telephone book, and identifies itself in every
//! entry.

use std::future::poll_fn;
use std::io;

use ldap3_proto::proto::{
    LdapBindCred, LdapBindResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult, LdapResultCode,
    LdapSearchResultEntry,
};
use ldap3_proto::{LdapCodec, LdapFilter};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::counter::Counter;
use crate::io::{BUFFER, Leg};

/// Names and numbers.
const BOOK: [(&str, &str); 3] =
    [("Christian K.", "+49 7031 73009-0"), ("Eva Example", "+49 30 1234-56"), ("Front desk", "0")];

/// Serves one connection, message after message.
pub(super) async fn visit(mut leg: Leg, says: &str, requests: &Counter) -> io::Result<()> {
    let mut codec = LdapCodec::default();
    let mut octets = BytesMut::new();
    loop {
        while let Some(LdapMsg { msgid, op, .. }) = codec.decode(&mut octets)? {
            let mut answers = Vec::new();
            match op {
                LdapOp::BindRequest(bind) => {
                    requests.count();
                    let empty = matches!(&bind.cred, LdapBindCred::Simple(password) if password.is_empty());
                    let code =
                        if empty { LdapResultCode::InvalidCredentials } else { LdapResultCode::Success };
                    let res = result(code, &format!("This is the {says}"));
                    answers.push(LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None }));
                }
                LdapOp::SearchRequest(search) => {
                    let found = BOOK.iter().filter(|person| matches(&search.filter, person));
                    answers.extend(found.map(|person| entry(person, says)));
                    answers.push(LdapOp::SearchResultDone(result(LdapResultCode::Success, "")));
                }
                LdapOp::UnbindRequest => return Ok(()),
                _ => {}
            }
            let mut out = BytesMut::new();
            for answer in answers {
                codec.encode(LdapMsg::new(msgid, answer), &mut out)?;
            }
            leg.write_all(&out).await?;
        }
        if poll_fn(|cx| leg.poll_fill(cx, BUFFER)).await? == 0 {
            return Ok(());
        }
        let held = leg.buffer.len();
        octets.extend_from_slice(leg.buffer.filled());
        leg.buffer.consume(held);
    }
}

fn entry((name, number): &(&str, &str), says: &str) -> LdapOp {
    let attribute = |kind: &str, value: &str| LdapPartialAttribute {
        atype: kind.to_owned(),
        vals: vec![value.as_bytes().to_vec()],
    };
    LdapOp::SearchResultEntry(LdapSearchResultEntry {
        dn: format!("cn={name}"),
        attributes: vec![
            attribute("cn", name),
            attribute("telephoneNumber", number),
            attribute("description", says),
        ],
    })
}

/// Whether a person matches a filter. Telephones search by name or number, by a part or by the whole.
fn matches(filter: &LdapFilter, person: &(&str, &str)) -> bool {
    let value = |kind: &str| match kind.to_ascii_lowercase().as_str() {
        "cn" | "sn" | "givenname" => Some(person.0.to_lowercase()),
        "telephonenumber" => Some(person.1.to_owned()),
        _ => None,
    };
    match filter {
        LdapFilter::And(all) => all.iter().all(|one| matches(one, person)),
        LdapFilter::Or(any) => any.iter().any(|one| matches(one, person)),
        LdapFilter::Not(not) => !matches(not, person),
        LdapFilter::Present(kind) => kind.eq_ignore_ascii_case("objectClass") || value(kind).is_some(),
        LdapFilter::Equality(kind, wanted) => value(kind).is_some_and(|value| value == wanted.to_lowercase()),
        LdapFilter::Substring(kind, parts) => value(kind).is_some_and(|value| {
            let initial = parts.initial.as_ref().is_none_or(|part| value.starts_with(&part.to_lowercase()));
            let last = parts.final_.as_ref().is_none_or(|part| value.ends_with(&part.to_lowercase()));
            initial && last && parts.any.iter().all(|part| value.contains(&part.to_lowercase()))
        }),
        _ => false,
    }
}

fn result(code: LdapResultCode, message: &str) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: message.to_owned(), referral: Vec::new() }
}

//! SIP: the first request of a phone, which [`signalling`](crate::route::signalling) decides. It is a REGISTER. For a
//! withheld number it is an INVITE, because a phone does not register without its number. A `method` parameter of the
//! URI sets another method (RFC 3261 §19.1.1).

use super::answer::{Explanation, Verdict};
use super::once::Once;
use super::url::Url;
use super::why::Why;
use super::{Client, Grounds};
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Inspector, Message, param, uri};
use crate::proof;
use crate::proof::token::Tokens;
use crate::reason::Reason;
use crate::route::signalling::{Asked, Decided};

/// Explains a SIP question. `from`: the URI of the phone.
pub(super) fn explain(grounds: &Grounds<'_>, url: &Url, from: &str, client: &Client) -> Explanation {
    let names = client.names.as_ref();
    let once = Once { grounds, url, names, claims: user(from) };
    let input = request(from);
    let (message, head) = match Inspector::of_client().inspect(input.as_bytes()) {
        Inspect::Found { ask: Ask::Message(message), len } => {
            (message, input.as_bytes().get(..len).unwrap_or_default())
        }
        Inspect::Reject(reason) => return once.refuse(reason, Why::Reason(reason)),
        _ => return once.refuse(Reason::Malformed, Why::Reason(Reason::Malformed)),
    };
    // A new phone has no route entry of Portward, so the key does not matter.
    let tokens = Tokens::new([0; 32]);
    let terms = grounds.config.sip_terms(grounds.table, &tokens, url.transport());
    let asked = terms.asked(head, &message);
    let decided = terms.decide(asked.as_ref(), url.transport(), (head, &message), names);
    let name = asked.as_ref().map_or_else(|| named(head, &message), Asked::name);
    match decided {
        Ok(Decided::Answered(answer)) => Explanation::of(url, Verdict::Answered(answer)),
        Ok(Decided::Routed(route)) => once.explain(Ok(route), name),
        Err(refused) => once.explain(Err(refused), name),
    }
}

fn named<'a>(head: &'a [u8], message: &Message) -> &'a [u8] {
    message.from.host.of_input(head)
}

/// The user in a URI.
pub(super) fn user(from: &str) -> String {
    let user = uri(from.as_bytes()).map_or(&b""[..], |uri| uri.user);
    String::from_utf8_lossy(user).into_owned()
}

/// The request of a phone with the URI `text`. A URI cannot contain anything that ends a line or a name-addr.
fn request(text: &str) -> String {
    let (method, from) = split(text);
    let host = uri(from.as_bytes()).map_or(&b""[..], |uri| uri.host);
    let host = String::from_utf8_lossy(host);
    let method = method.unwrap_or(match proof::sip::is_withheld(from.as_bytes()) {
        true => "INVITE",
        false => "REGISTER",
    });
    format!(
        "{method} sip:{host} SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch=z9hG4bKexplain\r\n\
         Max-Forwards: 70\r\nFrom: <{from}>;tag=explain\r\nTo: <{from}>\r\nCall-ID: explain\r\n\
         CSeq: 1 {method}\r\nContact: <sip:phone.invalid;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The method in a URI, and the URI in the form of From: without method and headers, which are not allowed there (RFC
/// 3261 §19.1.1, table 1).
pub(super) fn split(text: &str) -> (Option<&str>, String) {
    // A question mark in the user does not begin headers.
    let host = text.find('@').unwrap_or_default();
    let end = text.get(host..).and_then(|behind| behind.find('?')).map_or(text.len(), |at| host + at);
    let without_headers = text.get(..end).unwrap_or(text);
    let params = uri(text.as_bytes()).map_or(&b""[..], |uri| uri.params);
    let Some(method) = param(params, b"method").and_then(|method| str::from_utf8(method).ok()) else {
        return (None, without_headers.to_owned());
    };
    let at = without_headers.len() - params.len().min(without_headers.len());
    let (before, params) = without_headers.split_at_checked(at).unwrap_or((without_headers, ""));
    let is_method =
        |one: &&str| one.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("method"));
    let others: Vec<_> = params.split(';').filter(|one| !is_method(one)).collect();
    (Some(method), [before, &others.join(";")].concat())
}

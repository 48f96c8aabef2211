//! The walk's look-ups: each is a bind and a search on one connection.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapExtendedRequest, LdapMsg, LdapOp, LdapSearchRequest,
};
use ldap3_proto::{LdapCodec, LdapSearchScope, parse_ldap_filter_str};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::super::decisions::next_decision;
use super::super::network::Network;
use super::super::visitor::Visitor;
use crate::inspect::ldap::START_TLS;
use crate::io::BUFFER;
use crate::service::{Service, Transport};

/// How long a look-up may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A step of the walk.
pub(super) struct LookUp {
    /// What the step demonstrates.
    pub(super) shows: &'static str,
    transport: Transport,
    start_tls: bool,
    /// Name and password. `None`: no bind.
    bind: Option<(&'static str, &'static str)>,
    filter: &'static str,
    /// A text in the decision line.
    line: &'static str,
    /// The machine that answers, and the person that is found. `None`: the connection is closed without a byte.
    finds: Option<(&'static str, &'static str)>,
}

impl LookUp {
    /// Whether it should reach a machine inside.
    pub(super) fn reaches(&self) -> bool {
        self.finds.is_some()
    }
}

/// All look-ups.
pub(super) const LOOK_UPS: &[LookUp] = &[
    LookUp {
        shows: "A phone looks up a name in the directory of the app platform: the domain of its user decides",
        transport: Transport::Tls,
        start_tls: false,
        bind: Some((r"apps.dvl-ckl2.net\contacts", "demo")),
        filter: "(cn=eva*)",
        line: "ldaps://apps.dvl-ckl2.net BIND contacts -> 127.31.31.12:",
        finds: Some(("app platform", "Eva Example")),
    },
    LookUp {
        shows: "StartTLS on the plain port is answered by Portward; a distinguished name has its domain in DC=",
        transport: Transport::Plain,
        start_tls: true,
        bind: Some(("CN=ldap-guest,DC=branch-b,DC=dvl-ckl2,DC=net", "demo")),
        filter: "(telephoneNumber=0)",
        line: "ldaps://branch-b.dvl-ckl2.net BIND ldap-guest -> 127.31.31.3:",
        finds: Some(("slave PBX", "Front desk")),
    },
    LookUp {
        shows: "An empty password is an anonymous bind, whatever the name is",
        transport: Transport::Plain,
        start_tls: false,
        bind: Some((r"apps.dvl-ckl2.net\contacts", "")),
        filter: "(cn=*)",
        line: "ldap://apps.dvl-ckl2.net BIND contacts rejected: no-name",
        finds: None,
    },
    LookUp {
        shows: "A search by nobody",
        transport: Transport::Plain,
        start_tls: false,
        bind: None,
        filter: "(cn=*)",
        line: "ldap://- SEARCH rejected: method",
        finds: None,
    },
];

/// Makes the look-up. Returns whether everything was as expected.
pub(super) async fn make(
    step: &LookUp,
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    let start_tls = if step.start_tls { "StartTLS, " } else { "" };
    let bind = step.bind.map_or_else(String::new, |(name, _)| format!("BIND {name}, "));
    say(&format!("  > {start_tls}{bind}SEARCH {}", step.filter));
    let looked = tokio::time::timeout(PATIENCE, look_up(step, network)).await;
    let found = looked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    let good = line.contains(step.line)
        && match (&found, step.finds) {
            (Ok(found), Some((who, name))) => found.contains(who) && found.contains(name),
            (Ok(found), None) => found.is_empty(),
            (Err(_), _) => false,
        };
    let mark = if good { "<" } else { "!!" };
    say(&match found {
        Ok(found) if found.is_empty() => format!("  {mark} closed without a byte"),
        Ok(found) => format!("  {mark} {found}"),
        Err(error) => format!("  {mark} {error}"),
    });
    good
}

/// The result in words. It is empty if the connection was closed.
async fn look_up(step: &LookUp, network: &Network) -> io::Result<String> {
    let tls = (step.transport == Transport::Tls).then_some(&network.visitor_tls);
    let to = network.port(Service::Ldap, step.transport);
    let mut visitor = Visitor::connect(to, tls, "apps.dvl-ckl2.net").await?;
    if step.start_tls {
        let name = String::from_utf8_lossy(START_TLS).into_owned();
        send(&mut visitor, LdapOp::ExtendedRequest(LdapExtendedRequest { name, value: None })).await?;
        match next(&mut visitor).await? {
            Some(LdapOp::ExtendedResponse(_)) => {
                visitor = visitor.start_tls(&network.visitor_tls, "apps.dvl-ckl2.net").await?;
            }
            _ => return Err(io::Error::other("no answer to StartTLS")),
        }
    }
    if let Some((name, password)) = step.bind {
        let cred = LdapBindCred::Simple(password.to_owned());
        let request = LdapBindRequest { version: 3, dn: name.to_owned(), cred };
        send(&mut visitor, LdapOp::BindRequest(request)).await?;
        if next(&mut visitor).await?.is_none() {
            return Ok(String::new());
        }
    }
    let search = LdapSearchRequest {
        base: String::new(),
        scope: LdapSearchScope::Subtree,
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter: parse_ldap_filter_str(step.filter).map_err(|_| io::ErrorKind::InvalidInput)?,
        attrs: Vec::new(),
    };
    send(&mut visitor, LdapOp::SearchRequest(search)).await?;
    let mut found = String::new();
    loop {
        match next(&mut visitor).await? {
            Some(LdapOp::SearchResultEntry(entry)) => {
                for value in entry.attributes.iter().flat_map(|attribute| &attribute.vals) {
                    found.push_str(if found.is_empty() { "" } else { ", " });
                    found.push_str(&String::from_utf8_lossy(value));
                }
            }
            Some(LdapOp::SearchResultDone(_)) | None => return Ok(found),
            Some(_) => return Err(io::Error::other("not the answer to a search")),
        }
    }
}

async fn send(visitor: &mut Visitor, op: LdapOp) -> io::Result<()> {
    let mut octets = BytesMut::new();
    LdapCodec::default().encode(LdapMsg::new(1, op), &mut octets)?;
    visitor.leg.write_all(&octets).await
}

/// The next message. `None`: the end of the connection.
async fn next(visitor: &mut Visitor) -> io::Result<Option<LdapOp>> {
    let leg = &mut visitor.leg;
    loop {
        let mut octets = BytesMut::from(leg.buffer.filled());
        let before = octets.len();
        if let Some(message) = LdapCodec::default().decode(&mut octets)? {
            leg.buffer.consume(before - octets.len());
            return Ok(Some(message.op));
        }
        if !matches!(poll_fn(|cx| leg.poll_fill(cx, BUFFER)).await, Ok(1..)) {
            return Ok(None);
        }
    }
}

//! Explains the result of a request without sending one. The answer is a value. `cli` prints it, and the API returns
//! it.
//!
//! A question takes the same way as a client's message. The message that such a client would send is made here, the
//! daemon's inspector reads it, and [`route`](crate::route) decides. No part of the decision is repeated here. An
//! explanation adds the places of the host and the rule, and similar names and paths if the request is refused.
//!
//! | file | content |
//! |---|---|
//! | `url` | the question, read from a URL |
//! | `http`, `sip`, `ldap`, `h323` | the message of a client of that service, and the decision about it |
//! | `once` | the answer for the services that are decided once a connection |
//! | `answer` | the value |
//! | `question` | the question about a past decision |
//! | `tenant` | tenants, logins and changes of an HTTP rule |
//! | `remedy` | the change that lets a refused request in |
//! | `why`, `text`, `json` | a refusal in words, the answer for people and for programs |
//!
//! This module has no I/O and no exit codes. The caller provides facts that only the running daemon knows (the
//! blacklist) or that are only on disk (the answer to an ACME challenge). While such a fact is unknown, the answer is
//! never yes.

mod answer;
mod h323;
mod http;
mod json;
mod ldap;
mod once;
mod question;
mod remedy;
mod sip;
mod tenant;
mod text;
mod url;
mod why;

use std::net::IpAddr;

pub use answer::{
    Admission, Challenge, Explanation, HostAt, Presence, Proof, Rule, RuleLocation, Unsure, Verdict,
};
pub use question::{PastDecision, Question};
pub use remedy::{Remedy, TARGET};
pub use tenant::{TenantAt, Treated};
pub use text::Text;
pub use url::{BadUrl, Url};
pub use why::{NearHost, NearPath, NoMatch, Why};

use url::What;

use crate::config::Config;
use crate::inspect::h323::Alias;
use crate::proof::Names;
use crate::reason::Reason;
use crate::rules::Table;

/// The configuration.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'s> {
    /// The rules.
    pub table: &'s Table,
    /// `portward.toml`.
    pub config: &'s Config,
    /// Why it is unknown which hosts administrators have enabled or disabled. `None`: it is known.
    pub overrides: Option<&'s str>,
}

/// The client, as far as it is known.
#[derive(Debug, Default)]
pub struct Client {
    /// The address, and whether it is on the blacklist. `None`: any address that is let in.
    pub from: Option<From>,
    /// The names in a certificate that is trusted (SIP and H.323 by TLS).
    pub names: Option<Names>,
    /// The registered names (H.323). Without any the client searches for a gatekeeper.
    pub aliases: Vec<Alias>,
    /// The name of a bind (LDAP), with a password that is not empty.
    pub bind: Option<String>,
    /// The reason for which its request was refused, if a question cannot reproduce it (see [`Reason::is_of_rules`]).
    pub refused: Option<Reason>,
}

/// The address of a client.
#[derive(Debug)]
pub struct From {
    /// The address.
    pub address: IpAddr,
    /// The entry of the running daemon's blacklist.
    pub listing: Listing,
}

/// Whether an address is on the running daemon's blacklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// It is listed.
    Listed {
        /// The address or the network of the entry.
        address: String,
        /// The entry in words.
        entry: String,
    },
    /// It is not listed.
    NotListed,
    /// The daemon could not be asked, for this reason.
    Unknown(String),
}

/// Explains the result of a request for `url`.
pub fn explain(grounds: &Grounds<'_>, url: &Url, client: &Client) -> Explanation {
    let mut explanation = decided(grounds, url, client);
    explanation.remedy = remedy::remedy(grounds, url, client, &explanation);
    explanation
}

/// The same without a remedy.
fn decided(grounds: &Grounds<'_>, url: &Url, client: &Client) -> Explanation {
    let unsure = match admission(grounds.config, client) {
        Ok(unsure) => unsure,
        Err(refused) => return Explanation::of(url, refused),
    };
    let mut explanation = match url.what() {
        What::Http(page) => http::explain(grounds, url, page, client),
        What::Sip(from) => sip::explain(grounds, url, from, client),
        What::Ldap(host) => ldap::explain(grounds, url, host, client),
        What::H323(identifier) => h323::explain(grounds, url, identifier, client),
    };
    let overrides = || grounds.overrides.map(|why| Unsure::Overrides { why: why.to_owned() });
    explanation.unsure = unsure.or_else(overrides);
    explanation
}

/// Whether the guard admits the client's address. It uses the daemon's own rule.
///
/// # Errors
/// Connections of this address are refused.
fn admission(config: &Config, client: &Client) -> Result<Option<Unsure>, Verdict> {
    let Some(From { address, listing }) = &client.from else { return Ok(None) };
    let mut unsure = None;
    let refuses = config.guard.refuses(address.to_canonical(), || match listing {
        Listing::Listed { .. } => true,
        Listing::NotListed => false,
        Listing::Unknown(why) => {
            unsure = Some(Unsure::Blacklist { address: *address, why: why.clone() });
            false
        }
    });
    match (refuses, listing) {
        (None, _) => Ok(unsure),
        (Some(Reason::Blacklisted), Listing::Listed { entry, .. }) => {
            Err(Verdict::Rejected { reason: Reason::Blacklisted, why: Why::Listed { entry: entry.clone() } })
        }
        (Some(reason), _) => Err(Verdict::Rejected { reason, why: Why::Blocked }),
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! What would become of a request, without sending one: the answer as a value. `cli` prints it, the API serves it.
//!
//! A question goes the way that a client's message goes. The message that such a client would send is made, the inspector
//! of the daemon reads it, and [`route`](crate::route) decides. Nothing of the decision is repeated here. What is added is
//! where the host and the rule stand, and what the rules have that is near if the answer is no.
//!
//! | file | what it is for |
//! |---|---|
//! | `url` | what is asked for, read from a URL |
//! | `http`, `sip`, `ldap`, `h323` | the message of a client of that service, and what is decided about it |
//! | `once` | the answer for the services that are decided once a connection |
//! | `answer` | the value |
//! | `question` | the question about a request that was decided already |
//! | `tenant` | what a rule of HTTP says of tenants and logins, and what it changes |
//! | `remedy` | what lets a refused request in |
//! | `why`, `text`, `json` | a refusal in words, the answer for people and for programs |
//!
//! No I/O, no exit codes. What only the running daemon knows (the blacklist) and what only the disk knows (the answer to
//! an ACME challenge) is given by the caller. While it is not known the answer is no yes.

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

/// What is configured.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'s> {
    /// The rules.
    pub table: &'s Table,
    /// `portward.toml`.
    pub config: &'s Config,
    /// Why it cannot be told which hosts administrators have enabled or disabled in place of the rules, if it cannot.
    pub overrides: Option<&'s str>,
}

/// Who asks, as far as it is known.
#[derive(Debug, Default)]
pub struct Client {
    /// The address, and whether it is on the blacklist; `None`: any address that is let in.
    pub from: Option<From>,
    /// The names in a certificate that is trusted (SIP and H.323 by TLS).
    pub names: Option<Names>,
    /// What is registered (H.323). Without any it looks for a gatekeeper.
    pub aliases: Vec<Alias>,
    /// The name of a bind (LDAP), with a password that is not empty.
    pub bind: Option<String>,
    /// Why its request was refused, where a question cannot find that again (see [`Reason::is_of_rules`]).
    pub refused: Option<Reason>,
}

/// The address of a client.
#[derive(Debug)]
pub struct From {
    /// The address.
    pub address: IpAddr,
    /// What the running daemon's blacklist says of it.
    pub listing: Listing,
}

/// What is known of an address and the running daemon's blacklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// It is listed.
    Listed {
        /// The address or the network of the entry.
        address: String,
        /// What stands there, in words.
        entry: String,
    },
    /// It is not listed.
    NotListed,
    /// The daemon could not be asked, for this reason.
    Unknown(String),
}

/// Says what would become of a request for `url`.
pub fn explain(grounds: &Grounds<'_>, url: &Url, client: &Client) -> Explanation {
    let mut explanation = decided(grounds, url, client);
    explanation.remedy = remedy::remedy(grounds, url, client, &explanation);
    explanation
}

/// The same without what would let it in.
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

/// What the guard says of the client's address, by the daemon's own rule.
///
/// # Errors
/// Nothing from there is served.
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

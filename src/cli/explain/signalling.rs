//! The decision for a SIP, LDAP or H.323 URI as facts. The decision itself is [`decide::signalling`].

use super::explanation::{BadUrl, Explanation, Proof, Rule, Verdict, addresses, place, unknown_host};
use crate::config::Config;
use crate::inspect::{h323, ldap, sip};
use crate::proof::h323::Verified;
use crate::proof::{self, Names};
use crate::reason::Reason;
use crate::rules::decide::{self, Refusal};
use crate::rules::name::ascii;
use crate::rules::{Host, Numbers, Table};
use crate::service::{Service, Transport};

/// Who asks, as far as it matters to the check of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimant {
    /// The names in a certificate that is trusted.
    pub(super) names: Option<Names>,
    /// What an H.323 client registers.
    pub(super) aliases: Vec<h323::Alias>,
}

/// What a client would ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call<'u> {
    text: &'u str,
    service: Service,
    transport: Transport,
    /// Who is asked for.
    name: Named,
}

/// Who is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// A host, by its name as it would come on the wire.
    Host(String),
    /// Nobody.
    Nobody,
    /// The name of a bind has several readings, or none.
    Unclear,
}

impl From<Option<String>> for Named {
    fn from(name: Option<String>) -> Self {
        name.map_or(Self::Nobody, Self::Host)
    }
}

impl<'u> Call<'u> {
    /// Reads a URI; `bind` is the name of an LDAP bind, with a password that is not empty.
    ///
    /// # Errors
    /// If it is no URI of these services.
    pub(super) fn parse(text: &'u str, bind: Option<&str>) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once(':').ok_or(BadUrl::Unknown)?;
        let (service, transport) = Service::of_scheme(scheme).ok_or(BadUrl::Unknown)?;
        let name = match service {
            Service::Http => return Err(BadUrl::Unknown),
            Service::Sip => caller(text)?.into(),
            Service::Ldap => binder(rest, bind)?,
            Service::H323 => Some(ascii(h323::host_of_identifier(rest)).into_owned())
                .filter(|host| !host.is_empty())
                .into(),
        };
        Ok(Self { text, service, transport, name })
    }

    /// As it was given.
    pub(super) fn text(&self) -> &'u str {
        self.text
    }

    /// Asks for the decision.
    pub(super) fn explain(&self, table: &Table, config: &Config, claimant: &Claimant) -> Explanation {
        let default = config.default_hosts[self.service].as_deref();
        let name = match &self.name {
            Named::Host(name) => name,
            Named::Nobody => default.unwrap_or_default(),
            Named::Unclear => {
                let why = "the name of the bind is none, or a directory could read it in several ways";
                let verdict = Verdict::Rejected { reason: Reason::Malformed, why: why.to_owned() };
                return Explanation {
                    url: self.text.to_owned(),
                    verdict,
                    host: None,
                    rule: None,
                    proof: None,
                };
            }
        };
        let mut proof = None;
        let decision = decide::signalling(table, self.service, self.transport, name.as_bytes(), |numbers| {
            let found = self.proof(claimant, name, numbers);
            let proven = found.proven;
            proof = Some(found);
            proven
        });
        let host = decision.as_ref().map_or_else(|refusal| refusal.host, |route| Some(route.host));
        let (verdict, rule) = match &decision {
            Ok(route) => {
                let verdict = Verdict::Forward {
                    addresses: addresses(route.endpoints, route.port),
                    transport: route.transport,
                };
                (verdict, Some(Rule::Of { service: self.service, at: place(table, route.source) }))
            }
            Err(refusal) => {
                let why = self.why(table, refusal, name);
                (Verdict::Rejected { reason: refusal.reason, why }, None)
            }
        };
        let host = host.map(|host| (host.name().to_owned(), place(table, host.source())));
        Explanation { url: self.text.to_owned(), verdict, host, rule, proof }
    }

    /// What the certificate of a claimant says of who registers at the host `at`.
    fn proof(&self, claimant: &Claimant, at: &str, numbers: Numbers) -> Proof {
        let Claimant { names, aliases } = claimant;
        let Some(names) = names else {
            return Proof {
                proven: false, why: "nothing proves who this is: --cert CN=… would".to_owned()
            };
        };
        let (proven, claims) = match self.service {
            Service::Sip => {
                let uri = sip::uri(self.text.as_bytes());
                let (user, host) = uri.map_or((&b""[..], &b""[..]), |uri| (uri.user, uri.host));
                let claims = String::from_utf8_lossy(user).into_owned();
                (proof::sip::user(names, user, host), claims)
            }
            _ => {
                let registers = !aliases.is_empty();
                let verb = if registers { h323::Verb::Registration } else { h323::Verb::Gatekeeper };
                let registration =
                    h323::Registration { aliases: aliases.clone(), ..h323::Registration::new(verb, 1) };
                let claims: Vec<_> = aliases.iter().map(h323::Alias::text).collect();
                let proven = Verified::begin(names.clone(), numbers, &registration, at).is_some();
                (proven, claims.join(" and "))
            }
        };
        let why = match (proven, claims.is_empty()) {
            (true, true) => {
                format!("{names}: a discovery without a name; what registers then must be proven")
            }
            (true, false) => format!("{names} proves {claims}"),
            (false, _) => format!("{names} does not prove {claims}"),
        };
        Proof { proven, why }
    }

    /// A sentence about a refusal.
    fn why(&self, table: &Table, refusal: &Refusal<'_>, name: &str) -> String {
        let service = self.service;
        let called = refusal.host.map_or("", Host::name);
        match refusal.reason {
            Reason::NoName => format!("it names no domain, and [{service}] default_host is not set"),
            Reason::UnknownHost => unknown_host(table, &name.to_ascii_lowercase()),
            Reason::NoService => format!("{called} has no {service} rule"),
            Reason::Disabled => format!("{called} is disabled"),
            Reason::Certificate => {
                format!("{called} refuses clients without a certificate that has their name")
            }
            reason => refusal.cause.map_or_else(|| reason.to_string(), |cause| cause.to_string()),
        }
    }
}

/// The host of a From URI, as the daemon reads it.
fn caller(text: &str) -> Result<Option<String>, BadUrl> {
    let uri = sip::uri(text.as_bytes()).ok_or(BadUrl::Unknown)?;
    let host = String::from_utf8_lossy(uri.host).into_owned();
    Ok(Some(host).filter(|host| !host.eq_ignore_ascii_case("anonymous.invalid")))
}

/// The domain of an LDAP bind, as the daemon reads it. The host of the URL is where a client connects to, and decides
/// nothing; without a bind it stands for the domain of one.
fn binder(rest: &str, bind: Option<&str>) -> Result<Named, BadUrl> {
    let host = rest.strip_prefix("//").ok_or(BadUrl::Unknown)?;
    let Some(bind) = bind else {
        let host = host.split_once(':').map_or(host, |(host, _)| host).trim_end_matches('/');
        return Ok(Some(host.to_owned()).filter(|host| !host.is_empty()).into());
    };
    Ok(match ldap::bind_name(bind.as_bytes()) {
        Err(ldap::Unclear) => Named::Unclear,
        Ok((domain, _)) if domain.is_empty() => Named::Nobody,
        Ok((domain, _)) => Named::Host(String::from_utf8_lossy(&domain).into_owned()),
    })
}

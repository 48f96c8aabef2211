//! The details of a refusal, with similar names and paths of the rules, for people whose request was refused.

use std::fmt;

use super::answer::RuleLocation;
use crate::reason::Reason;
use crate::rules::decide::{Cause, Refusal};
use crate::rules::path::request_path;
use crate::rules::{Host, HttpMatch, Table, Tenant, near};
use crate::service::Service;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The client's address is in a network of `blacklist.block`.
    Blocked,
    /// The client's address is on the blacklist.
    Listed {
        /// The entry in words.
        entry: String,
    },
    /// The name or the path is malformed.
    Cause(Cause),
    /// No host has the name.
    UnknownHost {
        /// The name.
        asked: String,
        /// How many hosts there are.
        hosts: usize,
        /// A similar host.
        near: Option<NearHost>,
    },
    /// No host is named, and there is no default host.
    NoName {
        /// The service.
        service: Service,
    },
    /// The host has no rule for the service.
    NoService {
        /// The host.
        host: String,
        /// The service.
        service: Service,
    },
    /// The host is disabled.
    Disabled {
        /// The host.
        host: String,
        /// The cause.
        by: DisabledBy,
    },
    /// The path is for WebSockets with SIP, and the request does not open one.
    NoWebSocket,
    /// The path names a tenant that does not exist, or that is not below the host's tenant.
    UnknownTenant,
    /// The same, but the rule demands a login first.
    NoLogin,
    /// The tenant whose credentials are exchanged has no secret. So no credential can be right.
    NoSecret,
    /// The tenant that the path names is disabled.
    DisabledTenant {
        /// The disabled tenant: the tenant itself, or one above it.
        tenant: String,
        /// Whether an administrator has disabled it although the rules enable it.
        by_administrator: bool,
    },
    /// No certificate proves the name, and the rule then refuses the request.
    Certificate {
        /// The host.
        host: String,
    },
    /// No HTTP path of the host matches.
    NoPath {
        /// The host.
        host: String,
        /// How many paths it has.
        paths: usize,
        /// The most similar path.
        near: Option<NearPath>,
    },
    /// The name of a bind is missing, or has several readings.
    Unclear,
    /// No further details than the reason.
    Reason(Reason),
}

/// A similar host of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NearHost {
    /// A wildcard, which stands for exactly one label.
    Wildcard(String),
    /// A name.
    Name(String),
}

/// A similar HTTP path of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearPath {
    /// The path.
    pub path: String,
    /// The preset that it comes from.
    pub preset: Option<String>,
    /// Its place.
    pub at: RuleLocation,
    /// Why it does not match, if that is easy to overlook.
    pub but: Option<NoMatch>,
}

/// Why a path does not match although it looks so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMatch {
    /// It ends with a slash, and the requested path has a further slash after it.
    TooDeep,
    /// The requested path differs from it only in case.
    Case,
    /// It has a slash at the end, and the requested path has none.
    Slash,
    /// It is the path of `default = true`, which matches only the empty path.
    Default,
    /// It captures a tenant in a whole segment.
    Tenant,
    /// It matches whole segments only.
    Whole,
}

impl NoMatch {
    fn of(rule: &HttpMatch<'_>, asked: &[u8]) -> Option<Self> {
        let path = rule.path.as_bytes();
        let head = asked.get(..path.len()).unwrap_or(asked);
        match path {
            _ if rule.default => Some(Self::Default),
            _ if rule.naming.is_some() => Some(Self::Tenant),
            _ if head == path && !path.ends_with(b"/") => Some(Self::Whole),
            _ if head == path && path.ends_with(b"/") => Some(Self::TooDeep),
            _ if head.eq_ignore_ascii_case(path) => Some(Self::Case),
            [without @ .., b'/'] if without == asked => Some(Self::Slash),
            _ => None,
        }
    }
}

/// Why a host is disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisabledBy {
    /// The host is disabled by the rules.
    Rules,
    /// An administrator has disabled the host although the rules enable it.
    Administrator,
    /// The host's tenant is disabled.
    Tenant {
        /// The tenant that the host belongs to.
        of: String,
        /// The disabled tenant: the host's tenant, or the nearest one above it.
        disabled: String,
        /// Whether an administrator has disabled it although the rules enable it.
        by_administrator: bool,
    },
}

impl DisabledBy {
    fn of(host: Host<'_>) -> Self {
        let tenant = host.tenant().and_then(|of| Some((of, of.disabled_by()?)));
        match tenant {
            Some((of, disabled)) => Self::Tenant {
                of: of.id().to_owned(),
                disabled: disabled.id().to_owned(),
                by_administrator: disabled.enabled_by_rules(),
            },
            None if host.enabled_by_rules() => Self::Administrator,
            None => Self::Rules,
        }
    }

    fn write_for(&self, host: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SWITCHED: &str = "by an administrator, not by the rules files";
        match self {
            Self::Rules => write!(f, "{host} is disabled"),
            Self::Administrator => write!(f, "{host} is disabled {SWITCHED}"),
            Self::Tenant { of, disabled, by_administrator } => {
                match of == disabled {
                    true => write!(f, "{host} belongs to the tenant {of}, which is disabled")?,
                    false => {
                        write!(
                            f,
                            "{host} belongs to the tenant {of}, and {disabled} above that is disabled"
                        )?;
                    }
                }
                if *by_administrator { write!(f, " {SWITCHED}") } else { Ok(()) }
            }
        }
    }
}

impl Why {
    /// Why a request for `service` is refused. `asked`: the host that it asks for, in compared form.
    pub(super) fn of(table: &Table, service: Service, refusal: &Refusal<'_>, asked: &str) -> Self {
        let Refusal { reason, host, cause } = refusal;
        let by = host.map_or(DisabledBy::Rules, DisabledBy::of);
        let host = || host.map_or(asked, Host::name).to_owned();
        match (reason, cause) {
            // If the message names no host, the answer says where the name could come from.
            (Reason::NoName, _) if service != Service::Http => Self::NoName { service },
            (Reason::UnknownHost, _) => Self::unknown_host(table, asked),
            (Reason::NoService, _) => Self::NoService { host: host(), service },
            (Reason::Disabled, _) => Self::Disabled { host: host(), by },
            (Reason::Certificate, _) => Self::Certificate { host: host() },
            (_, Some(cause)) => Self::Cause(*cause),
            (reason, None) => Self::Reason(*reason),
        }
    }

    /// The details that `tenant` or one above it is disabled.
    pub(super) fn disabled_tenant(tenant: Tenant<'_>) -> Self {
        let disabled = tenant.disabled_by().unwrap_or(tenant);
        Self::DisabledTenant {
            tenant: disabled.id().to_owned(),
            by_administrator: disabled.enabled_by_rules(),
        }
    }

    fn unknown_host(table: &Table, asked: &str) -> Self {
        let wildcard = || near::wildcard(table, asked).map(|name| NearHost::Wildcard(name.to_owned()));
        let name = || near::name(table, asked).map(|name| NearHost::Name(name.to_owned()));
        Self::UnknownHost { asked: asked.to_owned(), hosts: table.len(), near: wildcard().or_else(name) }
    }

    /// The details that no path of `host` matches `asked`.
    pub(super) fn no_path(table: &Table, host: Host<'_>, asked: &[u8]) -> Self {
        let mut buf = Vec::new();
        let near = request_path(asked, &mut buf).ok().and_then(|path| near::path(host, &path));
        let near = near.map(|rule| NearPath {
            path: if rule.default { "/".to_owned() } else { rule.path.to_owned() },
            preset: rule.preset.map(str::to_owned),
            at: RuleLocation::of(table, rule.source()),
            but: NoMatch::of(&rule, asked),
        });
        Self::NoPath { host: host.name().to_owned(), paths: host.http_rules().count(), near }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => f.write_str("the address is in a network of blacklist.block"),
            Self::Listed { entry } => write!(f, "the address is on the blacklist: {entry}"),
            Self::Cause(cause) => cause.fmt(f),
            Self::UnknownHost { asked, hosts, near } => {
                match hosts {
                    0 => write!(f, "there is no host in the rules")?,
                    1 => write!(f, "the one host of the rules does not have the name {asked}")?,
                    _ => write!(f, "none of the {hosts} hosts has the name {asked}")?,
                }
                match near {
                    Some(NearHost::Wildcard(name)) => write!(f, "; {name} stands for exactly one label"),
                    Some(NearHost::Name(name)) => write!(f, "; there is {name}"),
                    None => Ok(()),
                }
            }
            Self::NoName { service } => {
                write!(f, "it names no domain, and [{service}] default_host is not set")
            }
            Self::NoService { host, service: Service::Http } => write!(f, "{host} has no HTTP path"),
            Self::NoService { host, service } => write!(f, "{host} has no {service} rule"),
            Self::Disabled { host, by } => by.write_for(host, f),
            Self::NoWebSocket => f.write_str(
                "WebSockets for SIP are opened at this path, and this request, which opens none, is answered with 426; ask for \
                 a ws: or wss: URL",
            ),
            Self::UnknownTenant => f.write_str(
                "no tenant has this id or name, or it is not below the host's, and the rule has no `otherwise`",
            ),
            Self::NoSecret => f.write_str("the tenant has no secrets, so every credential is refused"),
            Self::NoLogin => f.write_str(
                "no tenant has this id or name, or it is not below the host's, so every login for it is refused",
            ),
            Self::DisabledTenant { tenant, by_administrator: false } => {
                write!(f, "the tenant {tenant} is disabled")
            }
            Self::DisabledTenant { tenant, by_administrator: true } => {
                write!(f, "the tenant {tenant} is disabled by an administrator, not by the rules files")
            }
            Self::Certificate { host } => {
                write!(f, "{host} refuses clients without a certificate that has their name")
            }
            Self::NoPath { host, paths, near } => {
                match paths {
                    1 => write!(f, "the one HTTP path of {host} does not match")?,
                    _ => write!(f, "none of the {paths} HTTP paths of {host} matches")?,
                }
                near.as_ref().map_or(Ok(()), |near| near.fmt(f))
            }
            Self::Unclear => {
                f.write_str("the bind has no name, or a directory could read its name in several ways")
            }
            Self::Reason(Reason::Malformed) => f.write_str("servers could read it in several ways"),
            Self::Reason(Reason::TooLarge) => f.write_str("it is longer than the limit for a decision"),
            Self::Reason(Reason::Method) => {
                f.write_str("this method may not come first, and no known host is named")
            }
            Self::Reason(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for NearPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, preset, at, but } = self;
        write!(f, "; the nearest is {path}")?;
        if let Some(preset) = preset {
            write!(f, " of preset {preset}")?;
        }
        write!(f, " at {at}")?;
        f.write_str(match but {
            Some(NoMatch::TooDeep) => ", after which no further slash may come",
            Some(NoMatch::Case) => ", and case counts",
            Some(NoMatch::Slash) => ", with the slash at its end",
            Some(NoMatch::Tenant) => ", which names a tenant by a whole segment",
            Some(NoMatch::Whole) => ", which is for whole segments of a path here",
            Some(NoMatch::Default) => ", which is for that path alone",
            None => "",
        })
    }
}

//! `portward token`: makes a credential for a limited time (contract section 9). It reads the configuration and asks no
//! daemon.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::config::{ConfigArg, loaded};
use super::terminal;
use crate::config::{self, Everything};
use crate::credentials::{Secret, ephemeral, exchange};
use crate::rules::{Tenant, is_tenant_id, name, near};
use crate::service::Service;

/// Make a credential for a limited time, with which a user logs in
///
/// The credential is made with the newest secret of the tenant, as the tenant's own web server makes credentials. With
/// --sip it is made with the newest of `[sip] secrets`, as Portward's exchange makes credentials. The configuration and
/// the rules must be readable. The running daemon is not asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward token XYZ --user alice                            under the tenant's own secrets, for an hour\n  \
    portward token XYZ --user alice --ttl 10m --json           for programs\n  \
    portward token XYZ --sip --user alice@voxbone.example      speaks for the tenant at that domain\n  \
    portward token --sip --user alice                          for hosts whose tenant has no secrets, or that have no tenant\n\n\
    Exit codes:\n  \
    0  the credential is printed\n  \
    1  there is no such tenant or no secret, the time is too long, or the configuration has errors\n  \
    2  wrong usage")]
pub(super) struct Args {
    /// The tenant's id
    #[arg(required_unless_present = "sip")]
    tenant: Option<String>,
    /// The user, as written in From; with a tenant and --sip, USER@DOMAIN
    #[arg(long, value_name = "NAME")]
    user: String,
    /// How long it is valid, e.g. 10m or 1h; not longer than sip.max_lifetime
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// Use `[sip] secrets` instead of the tenant's own secrets
    #[arg(long)]
    sip: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// Why no credential is made: an exit code and a message.
struct Refused(u8, String);

impl Refused {
    fn no(text: impl std::fmt::Display) -> Self {
        Self(terminal::NO, format!("error: {text}"))
    }

    fn usage(text: impl std::fmt::Display) -> Self {
        Self(terminal::USAGE, format!("error: {text}"))
    }
}

/// A credential.
struct Made {
    username: String,
    password: Zeroizing<String>,
    expires: u64,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match made(args) {
        Ok(made) => {
            print_token(args, &made);
            ExitCode::SUCCESS
        }
        Err(Refused(code, text)) => {
            terminal::complain(text.trim_end());
            ExitCode::from(code)
        }
    }
}

fn made(args: &Args) -> Result<Made, Refused> {
    let name = Name::of(args)?;
    let (everything, unread) = loaded(&args.config.config)
        .map_err(|diagnostics| Refused(terminal::NO, diagnostics.render(false)))?;
    let longest = everything.config.sip.max_lifetime;
    if args.ttl > longest {
        return Err(Refused::no(format_args!(
            "{} is longer than a credential may be good: sip.max_lifetime is {}",
            crate::log::human(args.ttl),
            crate::log::human(longest)
        )));
    }
    let tenant = args.tenant.as_deref().map(|id| tenant(&everything, id, unread.as_deref())).transpose()?;
    let secret = secret(&everything, tenant, args.sip)?;
    let expires = now().saturating_add(args.ttl.as_secs());
    let (username, password) = match name {
        Name::Plain(user) => ephemeral::make(expires, user, secret.octets()),
        Name::At { tenant: id, user, domain } => {
            let domain = self::domain(&everything, tenant, domain)?;
            exchange::make(expires, (id, user, &domain), secret.octets())
        }
    };
    if let Some(disabling) = tenant.and_then(Tenant::disabled_by) {
        terminal::complain(format_args!(
            "note: the tenant {} is disabled: no client is let in with this until it is enabled",
            terminal::harmless(disabling.id())
        ));
    }
    Ok(Made { username, password, expires })
}

/// The name in the username of the credential.
enum Name<'a> {
    /// Only the user.
    Plain(&'a str),
    /// The user of a tenant at a domain.
    At { tenant: &'a str, user: &'a str, domain: &'a str },
}

impl<'a> Name<'a> {
    fn of(args: &'a Args) -> Result<Self, Refused> {
        if args.user.contains(char::is_control) {
            return Err(Refused::usage("the name of a user has no control character"));
        }
        match (args.tenant.as_deref().filter(|_| args.sip), args.user.split_once('@')) {
            (Some(tenant), Some((user, domain))) if exchange::is_plain_user(user) => {
                Ok(Self::At { tenant, user, domain })
            }
            (Some(_), _) => Err(Refused::usage(
                "under the secrets of [sip] a tenant's user is USER@DOMAIN, without a slash in USER: \
                 --user alice@voxbone.example",
            )),
            (None, Some(_)) => Err(Refused::usage(
                "the domain is not part of the user here: From says it; --sip with a tenant takes USER@DOMAIN",
            )),
            (None, None) if args.user.is_empty() => Err(Refused::usage("the name of the user is empty")),
            (None, None) => Ok(Self::Plain(&args.user)),
        }
    }
}

fn tenant<'t>(everything: &'t Everything, id: &str, unread: Option<&str>) -> Result<Tenant<'t>, Refused> {
    let tenants = everything.table.tenants();
    if !is_tenant_id(id) {
        let id = terminal::harmless(id);
        return Err(Refused::usage(format_args!(
            "{id} is not the id of a tenant, which has 1 to 64 of A-Z a-z 0-9 . _ -"
        )));
    }
    tenants.by_id(id).ok_or_else(|| {
        let unread = unread.map(|why| format!("\nnote: {why}")).unwrap_or_default();
        Refused::no(format_args!("{}{unread}", near::unknown_tenant(tenants, id)))
    })
}

/// The newest of the secrets that are in use.
fn secret<'t>(
    everything: &'t Everything,
    tenant: Option<Tenant<'t>>,
    sip: bool,
) -> Result<&'t Secret, Refused> {
    let Some(tenant) = tenant.filter(|_| !sip) else {
        let help = "portward.toml has no secrets under [sip]: write secrets = [\"file:PATH\"] there, \
                    with a secret in that file";
        return everything.config.sip.secrets.first().ok_or_else(|| Refused::no(help));
    };
    tenant.secrets().first().ok_or_else(|| {
        let id = terminal::harmless(tenant.id());
        let how = match tenant.is_made() {
            true => format!("`portward tenant secret {id}` makes one"),
            false => {
                "write secrets = [\"file:PATH\"] below it in the rules, with a secret in that file".to_owned()
            }
        };
        Refused::no(format_args!(
            "the tenant {id} has no secrets of its own: {how}; --sip uses the secrets of [sip] instead"
        ))
    })
}

/// The domain in normal form, if a credential of the tenant is valid there.
fn domain(everything: &Everything, tenant: Option<Tenant<'_>>, domain: &str) -> Result<String, Refused> {
    let name = name::normalise(domain).map_err(|bad| {
        Refused::usage(format_args!("{} is not a host name: {bad}", terminal::harmless(domain)))
    })?;
    let table = &everything.table;
    let host = table.host(&name).ok_or_else(|| Refused::no(near::unknown(table, &name)))?;
    if tenant.is_none_or(|tenant| host.is_domain_of(tenant)) {
        return Ok(name.into());
    }
    let wrong = match host.serves(Service::Sip) {
        false => "it has no sip rule",
        true => "it belongs to another tenant",
    };
    Err(Refused::no(format_args!("a credential of this tenant does not count at {name}: {wrong}")))
}

fn print_token(args: &Args, made: &Made) {
    let Made { username, password, expires } = made;
    let moment = i64::try_from(*expires).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let until = moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_default();
    if args.json {
        return terminal::print_line(json!({
            "tenant": args.tenant,
            "username": username,
            "password": password.as_str(),
            "ttl": args.ttl.as_secs(),
            "expires": until,
        }));
    }
    terminal::print_line(format_args!("username  {username}"));
    terminal::print_line(format_args!("password  {}", password.as_str()));
    terminal::print_line(format_args!("expires   {until}"));
}

/// The time in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = config::duration(text)?;
    match ttl.subsec_nanos() {
        0 => Ok(ttl),
        _ => Err("a credential is good for whole seconds".to_owned()),
    }
}

//! `portward explain`: the decision for a request, without sending one.

use std::net::IpAddr;
use std::process::ExitCode;

use super::config::ConfigArg;
use super::terminal;
use crate::admin::client::ask;
use crate::config::Config;
use crate::inspect::h323::Alias;
use crate::proof::Names;
use crate::rules::decide::Scratch;
use crate::service::{Service, Transport};

mod explanation;
mod http;
mod signalling;

use explanation::{BadUrl, Explanation};
use http::Url;
use signalling::{Call, Claimant};

/// The exit code for something that is no URL at all.
const WRONG_USAGE: u8 = 2;

/// Say where a request would go, and by which rule, or why nowhere
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portward explain https://hq.example.net/PBX0/APPS\n  portward explain --json http://hq.example.net/\n  portward explain sips:user@example.net\n  portward explain sips:user@example.net --cert CN=user\n  portward explain h323:hq@example.net/branch"
)]
pub(super) struct Args {
    /// What a client would ask for, e.g. https://host/path
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// The address that the client would have
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// The names in the client's certificate, which is taken for a trusted one (SIP and H.323), e.g. CN=hq or
    /// CN=hq,EMAIL=hq@example.net; also DNS= and URI=
    #[arg(long, value_name = "NAMES", value_parser = names)]
    cert: Option<Names>,
    /// A name that the client registers (H.323); may be given several times. Without any it looks for a gatekeeper
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// A number that it registers as well (H.323); may be given several times
    #[arg(long, value_name = "DIGITS")]
    number: Vec<String>,
    /// The name with which the client would bind (LDAP)
    #[arg(long, value_name = "DN")]
    bind: Option<String>,
    /// One JSON object a URL, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut asked = Vec::with_capacity(args.urls.len());
    for text in &args.urls {
        match Asked::parse(text, args.bind.as_deref()) {
            Ok(one) => asked.push(one),
            Err(bad) => {
                terminal::complain(format_args!("{text}: {bad}"));
                return ExitCode::from(WRONG_USAGE);
            }
        }
    }
    if (args.cert.is_some() || args.bind.is_some()) && asked.iter().all(|one| matches!(one, Asked::Http(_))) {
        terminal::complain("--cert and --bind do not matter to HTTP");
    }
    let aliases = args.alias.iter().cloned().map(Alias::H323);
    let numbers = args.number.iter().cloned().map(Alias::Digits);
    let claimant = Claimant { names: args.cert.clone(), aliases: aliases.chain(numbers).collect() };
    let loaded = match crate::config::load_all(&args.config.config) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            terminal::complain(diagnostics.render(false).trim_end());
            return ExitCode::from(terminal::NO);
        }
    };
    let outside = loaded.config.outside.port(Service::Http, Transport::Tls);
    let blocked = args.from.is_some_and(|from| loaded.config.guard.blocks(from.to_canonical()));
    let listed = args.from.and_then(|from| listed(&loaded.config, from.to_canonical()));
    let mut scratch = Scratch::default();
    let mut all_granted = true;
    for one in &asked {
        let explanation = match one {
            _ if blocked => Explanation::blocked(one.text()),
            _ if listed.is_some() => {
                Explanation::blacklisted(one.text(), listed.as_deref().unwrap_or_default())
            }
            Asked::Http(url) => Explanation::of(&loaded.table, url, outside, &mut scratch),
            Asked::Call(call) => call.explain(&loaded.table, &loaded.config, &claimant),
        };
        all_granted &= explanation.granted();
        if args.json { terminal::say(explanation.to_json()) } else { terminal::say(explanation) }
    }
    ExitCode::from(if all_granted { 0 } else { terminal::NO })
}

/// Why the running daemon refuses an address; `None`: it does not, or there is none.
fn listed(config: &Config, from: IpAddr) -> Option<String> {
    if config.guard.allows(from) {
        return None;
    }
    let entry = ask(&config.admin.socket, "GET", &format!("/v1/blacklist/{from}"), None).ok()?;
    Some(super::blacklist::line(&entry))
}

fn names(text: &str) -> Result<Names, String> {
    Names::parse(text).ok_or_else(|| "names are like CN=hq or CN=hq,EMAIL=hq@example.net".to_owned())
}

/// What a client would ask for.
enum Asked<'u> {
    /// A page.
    Http(Url<'u>),
    /// A registration, a call, a bind.
    Call(Call<'u>),
}

impl<'u> Asked<'u> {
    fn parse(text: &'u str, bind: Option<&str>) -> Result<Self, BadUrl> {
        Url::parse(text).map(Self::Http).or_else(|_| Call::parse(text, bind).map(Self::Call))
    }

    fn text(&self) -> &'u str {
        match self {
            Self::Http(url) => url.text(),
            Self::Call(call) => call.text(),
        }
    }
}

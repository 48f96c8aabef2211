//! `portward explain`: the decision for a request, without sending one. It reads the configuration, asks the running
//! daemon about its blacklist, and prints. [`explain`] makes the decision.

use std::net::IpAddr;
use std::process::ExitCode;

use super::config::{ConfigArg, loaded};
use super::daemon::field;
use super::terminal;
use crate::admin::client::{NoAnswer, ask};
use crate::admin::looked_up;
use crate::config::Config;
use crate::explain::{Admission, Client, From, Grounds, Listing, Text, Url, explain};
use crate::inspect::h323::Alias;
use crate::proof::Names;
use crate::reason::Reason;
use crate::service::Service;

mod live;

/// Say where a request would go and by which rule, or why it is refused and which rule would let it in
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward explain https://hq.example.net/PBX0/APPS\n  \
    portward explain hq.example.net                      the same as https://hq.example.net\n  \
    portward explain wss://hq.example.net/PBX0/APPS/ws   a WebSocket\n  \
    portward explain --json http://hq.example.net/\n  \
    portward explain sips:user@example.net\n  \
    portward explain sips:user@example.net --cert CN=user\n  \
    portward explain h323:hq@example.net/branch\n  \
    portward explain --from 203.0.113.9 hq.example.net   for this client\n  \
    portward explain --live hq.example.net               as the running daemon would decide\n  \
    portward explain --reason rate sip:user@example.net  what helps against this reason of the log\n\n\
    Exit codes:\n  \
    0  each of these requests would be let in\n  \
    1  one would be refused, or that is not known (with --from: no running Portward could be asked\n     \
       whether the address is on its blacklist), or the configuration has errors\n  \
    2  wrong usage")]
pub(super) struct Args {
    /// The URL that a client would ask for, e.g. https://host/path; a host alone is read as https://HOST
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// The address of the client. The running Portward is asked whether the address is on the blacklist; root and the
    /// group portward-admin may ask
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// The names in the client's certificate, which is taken for a trusted one (SIP and H.323), e.g. CN=hq or
    /// CN=hq,EMAIL=hq@example.net; also DNS= and URI=
    #[arg(long, value_name = "NAMES", value_parser = names)]
    cert: Option<Shown>,
    /// A name that the client registers (H.323); may be given several times. Without any the client looks for a
    /// gatekeeper
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// A number that the client also registers (H.323); may be given several times
    #[arg(long, value_name = "DIGITS")]
    number: Vec<String>,
    /// The name with which the client would bind (LDAP)
    #[arg(long, value_name = "DN")]
    bind: Option<String>,
    /// The reason of a refusal in the log, as rate or target-down, if it does not depend on the URL: the answer says
    /// what helps
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Option<Reason>,
    /// Ask the running daemon, which uses the rules in force and knows the state of the client and the targets
    #[arg(long)]
    live: bool,
    /// One JSON object a URL, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut urls = Vec::with_capacity(args.urls.len());
    for text in &args.urls {
        match Url::parse(text) {
            Ok(url) => urls.push(url),
            Err(bad) => {
                terminal::complain(format_args!("{text}: {bad}"));
                return ExitCode::from(terminal::USAGE);
            }
        }
    }
    if (args.cert.is_some() || args.bind.is_some()) && urls.iter().all(|url| url.service() == Service::Http) {
        terminal::complain("--cert and --bind do not matter to HTTP");
    }
    if args.live {
        return live::run(args);
    }
    let (loaded, unread) = match loaded(&args.config.config) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            terminal::complain(diagnostics.render(false).trim_end());
            return ExitCode::from(terminal::NO);
        }
    };
    let grounds = Grounds { table: &loaded.table, config: &loaded.config, overrides: unread.as_deref() };
    let client = client(args, &loaded.config);
    let mut all_granted = true;
    for url in &urls {
        let explanation = looked_up(explain(&grounds, url, &client));
        all_granted &= explanation.admission() == Admission::Yes;
        if args.json {
            terminal::print_line(explanation.to_json())
        } else {
            terminal::print_line(Text(&explanation))
        }
    }
    ExitCode::from(if all_granted { 0 } else { terminal::NO })
}

/// The client of the question.
fn client(args: &Args, config: &Config) -> Client {
    let aliases = args.alias.iter().cloned().map(Alias::H323);
    let numbers = args.number.iter().cloned().map(Alias::Digits);
    Client {
        from: args.from.map(|address| From { address, listing: listing(config, address.to_canonical()) }),
        names: args.cert.as_ref().map(|shown| shown.names.clone()),
        aliases: aliases.chain(numbers).collect(),
        bind: args.bind.clone(),
        refused: args.reason,
    }
}

/// The entry of the running daemon's blacklist for an address.
fn listing(config: &Config, address: IpAddr) -> Listing {
    match ask(&config.admin.socket, "GET", &format!("/v1/blacklist/{address}"), None) {
        Ok(entry) => Listing::Listed {
            address: field(&entry, "address").as_str().unwrap_or_default().to_owned(),
            entry: super::blacklist::text(&entry),
        },
        Err(NoAnswer::Refused(404, _)) => Listing::NotListed,
        Err(error) => Listing::Unknown(error.to_string()),
    }
}

/// The names in a certificate, and their text on the command line.
#[derive(Debug, Clone)]
struct Shown {
    names: Names,
    text: String,
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::named(text).ok_or_else(|| {
        "it is no reason of the log; /usr/share/doc/portward/docs/log.md has all of them".to_owned()
    })
}

fn names(text: &str) -> Result<Shown, String> {
    let names = Names::parse(text);
    let names = names.ok_or_else(|| "names are like CN=hq or CN=hq,EMAIL=hq@example.net".to_owned())?;
    Ok(Shown { names, text: text.to_owned() })
}

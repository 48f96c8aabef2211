//! `portward cert list`.

use std::process::ExitCode;

use serde_json::json;

use super::super::config::ConfigArg;
use super::super::terminal::{NO, print_line};
use super::words;
use crate::config::{self, Checked, Config, Diagnostics};
use crate::rules::Table;
use crate::tls::{self, Occasion, ServerTls, UpstreamTls};

/// List the certificates that the configuration names, with their names and expiry
///
/// First those that clients are shown, then the one that Portward presents to targets. What is wrong with them, names
/// of the rules that none covers among it, goes to standard error. The exit code is 1 if one of them cannot be used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward cert list\n  \
    portward cert list --config ./portward.toml --json")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,

    /// Write one object to standard output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let Checked { config, rules, diagnostics } = config::check(&args.config.config);
    let Some(config) = config else {
        words::complain_of(&diagnostics);
        return ExitCode::from(NO);
    };
    let table = rules.and_then(|rules| rules.table).unwrap_or_default();
    let (server, upstream, found) = load(&config, &table);
    let presented = upstream.certificate();
    if args.json {
        let list = tls::listed(&server, &upstream);
        print_line(format_args!("{:#}", json!({ "certificates": list, "diagnostics": found.to_json() })));
    } else {
        for one in server.certificates() {
            let default = if server.is_default(one) { ", shown where no name decides" } else { "" };
            print_line(format_args!("{} ({}{default})", one.name, one.file.display()));
            words::say_facts(&one.facts);
            print_line("");
        }
        if let Some(one) = presented {
            print_line(format_args!("{} ({}, presented to targets)", one.name, one.file.display()));
            words::say_facts(&one.facts);
            print_line("");
        }
        words::complain_of(&found);
    }
    if found.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(NO) }
}

fn load(config: &Config, table: &Table) -> (ServerTls, UpstreamTls, Diagnostics) {
    let (server, problems) = ServerTls::load(&config.tls, Occasion::Start);
    let (upstream, more) = UpstreamTls::load(&config.upstream, Occasion::Start);
    let mut found = Diagnostics::new();
    found.extend(problems.problems);
    found.extend(server.uncovered(table.names().map(|(name, _)| name)));
    found.extend(more.problems);
    (server, upstream, found)
}

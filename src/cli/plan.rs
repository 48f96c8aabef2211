//! `portward plan`: the settings that an administrator needs on other systems. It reads the configuration and prints.
//! [`plan`] makes the settings.
//!
//! [`plan`]: crate::plan

use std::process::ExitCode;

use time::OffsetDateTime;

use super::config::{ConfigArg, loaded};
use super::terminal;
use crate::config::{Config, Diagnostics, Everything};
use crate::plan::{Certificates, Plan};
use crate::tls::{facts_of_file, facts_of_servers};

mod page;
mod sections;

/// Print the settings for the router, the DNS, the firewalls, the certificate and the PBXs
///
/// The plan is made from portward.toml and the rules, and compared with the names in today's certificates. Nothing is
/// sent and nothing is changed. If a key of `[outside]` is needed but not set, `<outside.KEY>` is printed in its place,
/// and the key is named first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward plan                            port forwards, DNS records, firewall openings, certificate, PBXs\n  \
    portward plan --format markdown          a page to hand on\n  \
    portward plan --format json              for programs\n\n\
    Exit codes:\n  \
    0  the plan is printed\n  \
    1  the configuration or the rules have errors\n  \
    2  wrong usage")]
pub(super) struct Args {
    /// The format of the plan
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Tables for the terminal
    Text,
    /// Tables in Markdown
    Markdown,
    /// One object
    Json,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (Everything { config, table, .. }, unread) = match loaded(&args.config.config) {
        Ok(loaded) => loaded,
        Err(diagnostics) => return refuse(&diagnostics),
    };
    if let Some(unread) = unread {
        terminal::complain(format_args!("{unread}; the plan is for the hosts that the rules enable"));
    }
    let plan = Plan::new(&config, &table, &certificates(&config), OffsetDateTime::now_utc());
    match args.format {
        _ if args.json => terminal::print_line(format_args!("{:#}", plan.to_json())),
        Format::Json => terminal::print_line(format_args!("{:#}", plan.to_json())),
        Format::Text => terminal::print_line(sections::of(&plan).text()),
        Format::Markdown => terminal::print_line(sections::of(&plan).markdown()),
    }
    ExitCode::SUCCESS
}

fn refuse(diagnostics: &Diagnostics) -> ExitCode {
    terminal::complain(diagnostics.render(false).trim_end());
    ExitCode::from(terminal::NO)
}

/// The names in today's certificates. Their keys are not needed for that.
fn certificates(config: &Config) -> Certificates {
    let (server, problems) = facts_of_servers(&config.tls.certificates);
    let unread = problems.first().map(|problem| {
        let file = problem.place.file.display();
        format!("{file}: {}", problem.message)
    });
    let own = config.upstream.certificate.as_ref().and_then(|files| facts_of_file(&files.cert).ok());
    Certificates { server, unread, presented: own.and_then(|facts| facts.common_name) }
}

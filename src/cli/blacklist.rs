//! `portward blacklist`: the running daemon's blacklist.

mod list;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use serde_json::json;

use super::daemon::{DaemonArgs, encoded, field, no_answer};
use super::terminal;
use crate::config;
use crate::guard::Network;
pub(super) use crate::guard::blacklist_file::words::text;
use crate::guard::blacklist_file::words::{line, removed};

/// How many entries are shown, unless `--limit` sets another number.
const SHOWN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// Show and change the running daemon's blacklist
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward blacklist                                       all entries, the latest first\n  \
    portward blacklist add 203.0.113.9 --for 90d --note spam  an entry of your own\n  \
    portward blacklist add 203.0.113.0/24                    a whole network\n  \
    portward blacklist remove 203.0.113.9                    let an address in again\n  \
    portward blacklist clear                                 let all addresses in again\n\n\
    Exit codes:\n  \
    0  done\n  \
    1  the daemon cannot be asked, or the address is not listed\n  \
    2  wrong usage")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    daemon: DaemonArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List its entries: first those made by hand, then the others, the latest first
    List {
        /// How many entries to show
        #[arg(long, value_name = "NUMBER", default_value_t = SHOWN)]
        limit: NonZeroUsize,
    },
    /// Put an address or a network on it, and close all its connections
    Add {
        /// An address, or a network as 203.0.113.0/24; of IPv6 at most the prefix of 64 bits counts
        address: String,
        /// For how long: 10m, 12h, 90d, or never
        #[arg(long = "for", value_name = "TIME", default_value = "never")]
        time: String,
        /// Why
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Remove the entry of an address or a network; entries for addresses within a network stay
    Remove {
        /// The address or network, as it was listed
        address: String,
    },
    /// Remove all entries
    Clear,
}

impl Command {
    /// A mistake in the arguments. It can be found without the daemon.
    fn mistake(&self) -> Option<String> {
        let address = |text: &String| Network::wanted(text).err().map(|why| format!("{text}: {why}"));
        match self {
            Self::List { .. } | Self::Clear => None,
            Self::Remove { address: text } => address(text),
            Self::Add { address: text, time, .. } => address(text)
                .or_else(|| config::expiration(time).err().map(|why| format!("--for {time}: {why}"))),
        }
    }
}

pub(super) fn run(args: &Args) -> ExitCode {
    if let Some(mistake) = args.command.as_ref().and_then(Command::mistake) {
        terminal::complain(format_args!("error: {mistake}"));
        return ExitCode::from(terminal::USAGE);
    }
    let (daemon, json) = (args.daemon.daemon(), args.daemon.json);
    let list = Command::List { limit: SHOWN };
    let answer = match args.command.as_ref().unwrap_or(&list) {
        Command::List { limit } => list::show(limit.get(), json, |path| daemon.get(path)),
        Command::Add { address, time, note } => {
            let body = json!({ "address": address, "expiration": time, "note": note });
            daemon.ask("POST", "/v1/blacklist", Some(&body)).map(|entry| match json {
                true => terminal::print_line(entry),
                false => {
                    terminal::print_line(line(&entry));
                    if let Some(warning) = field(&entry, "warning").as_str() {
                        terminal::complain(format_args!("warning: {warning}"));
                    }
                }
            })
        }
        Command::Remove { address } => {
            let path = format!("/v1/blacklist/{}", encoded(address));
            daemon.ask("DELETE", &path, None).map(|answer| match json {
                true => terminal::print_line(answer),
                false => terminal::print_line(format_args!("{address} is no longer listed")),
            })
        }
        Command::Clear => daemon.ask("DELETE", "/v1/blacklist", None).map(|answer| match json {
            true => terminal::print_line(answer),
            false => terminal::print_line(removed(field(&answer, "removed").as_u64().unwrap_or_default())),
        }),
    };
    answer.map_or_else(|error| no_answer(&error), |()| ExitCode::SUCCESS)
}

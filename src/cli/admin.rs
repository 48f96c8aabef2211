//! `portward admin token` and `portward dashboard`: access to `admin.listen`, for users who may use the socket.

use std::process::ExitCode;

use super::daemon::{DaemonArgs, field, no_answer};
use super::terminal;

/// Show or replace the token of the admin API
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the token with which programs administer over admin.listen
    ///
    /// Programs send it as `Authorization: Bearer TOKEN`. With it a program may change everything that the API can
    /// change.
    #[command(after_help = "Examples:\n  \
        portward admin token               show it\n  \
        portward admin token --read        the read-only token, for Prometheus\n  \
        portward admin token --new         replace it; all sessions of the dashboard end")]
    Token {
        /// Replace it: the old token no longer works, and all sessions end
        #[arg(long)]
        new: bool,
        /// Show the read-only token
        #[arg(long)]
        read: bool,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

/// Print a link that logs a browser in to the dashboard
///
/// Open it in a browser: it logs in once, within a minute, for twelve hours, with the right to change. `admin.listen`
/// of portward.toml says where the dashboard is. From another machine forward the port: ssh -L 9400:127.0.0.1:9400
/// HOST.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sudo portward dashboard            the link\n  \
    sudo portward dashboard --json     {\"link\": …, \"expires\": …}, for programs\n\n\
    Exit codes:\n  \
    0  the link is printed\n  \
    1  there is no dashboard (admin.listen is empty or closed), or no Portward answers\n  \
    2  wrong usage")]
pub(super) struct DashboardArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let Command::Token { new, read, daemon } = &args.command;
    let (method, query) = (if *new { "POST" } else { "GET" }, if *read { "?read=1" } else { "" });
    show(daemon, method, &format!("/v1/token{query}"), "token")
}

pub(super) fn dashboard(args: &DashboardArgs) -> ExitCode {
    show(&args.daemon, "POST", "/v1/session", "link")
}

/// Sends a request, and prints one field of the answer.
fn show(daemon: &DaemonArgs, method: &str, path: &str, name: &str) -> ExitCode {
    match daemon.daemon().ask(method, path, None) {
        Ok(answer) if daemon.json => terminal::print_line(answer),
        Ok(answer) => terminal::print_line(field(&answer, name).as_str().unwrap_or_default()),
        Err(error) => return no_answer(&error),
    }
    ExitCode::SUCCESS
}

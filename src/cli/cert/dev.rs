//! `portward cert dev`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::terminal::{NO, print_line};
use super::words;
use crate::config::{self, Checked};
use crate::rules::{Table, name};
use crate::tls;

/// The configuration that is used if none is named.
const USUAL: &str = "/etc/portward/portward.toml";

/// Make development certificates: a CA, a server certificate for every name in the rules, client certificates
///
/// Use them only for trials, never in production: everybody with dev-ca.key can make more of them. Nothing is
/// overwritten without --force.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward cert dev                              for every name in the rules\n  \
    portward cert dev --out certs --name '*.example.net' --name example.net\n  \
    portward cert dev --client ckl --client 009033410004")]
pub(super) struct Args {
    /// The configuration whose rules give the names [default: /etc/portward/portward.toml, if it is there]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The folder to write to [default: certs, beside the configuration]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// One more name for the server certificate; may be given several times
    #[arg(long = "name", value_name = "NAME", value_parser = normal)]
    names: Vec<String>,

    /// A client certificate with this common name: a user, or a phone's hardware ID; may be given several times
    #[arg(long = "client", value_name = "CN")]
    clients: Vec<String>,

    /// Overwrite files that are there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let Ok((folder, mut names)) = from_rules(args) else { return ExitCode::from(NO) };
    names.extend(args.names.iter().cloned());
    if names.is_empty() {
        let help = "give some with --name, or a configuration with --config";
        return words::fail("there is no name to make a server certificate for", help);
    }
    let out = args.out.clone().unwrap_or_else(|| folder.join("certs"));
    match tls::make(&out, &names, &args.clients, args.force) {
        Ok(files) => say_what_next(&out, &folder, &files),
        Err(error) => {
            let there = error.to_string().ends_with("exists already");
            return words::fail(error, if there { "--force makes new ones in place of those" } else { "" });
        }
    }
    ExitCode::SUCCESS
}

/// The folder of the configuration and the names in its rules. Without a configuration, or if the default one has
/// errors, they are the working directory and no names.
fn from_rules(args: &Args) -> Result<(PathBuf, Vec<String>), ()> {
    let path = args.config.as_deref().unwrap_or(Path::new(USUAL));
    let nothing = Ok((PathBuf::new(), Vec::new()));
    if args.config.is_none() && !path.exists() {
        return nothing;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    // portward.toml itself may have errors, because it may name the very files that are to be made now.
    let Checked { rules, diagnostics, .. } = config::check(path);
    // Names in a file that may not be read would be missing.
    let unread = rules.as_ref().is_none_or(|rules| rules.is_unread);
    if let Some(table) = rules.and_then(|rules| rules.table).filter(|_| !unread) {
        return Ok((folder.to_owned(), names_of(&table)));
    }
    words::complain_of(&diagnostics);
    if args.config.is_some() { Err(()) } else { nothing }
}

fn names_of(table: &Table) -> Vec<String> {
    table.names().map(|(name, _)| name.to_owned()).collect()
}

fn say_what_next(out: &Path, folder: &Path, files: &[PathBuf]) {
    for file in files {
        print_line(format_args!("wrote {}", file.display()));
    }
    let below = |what: &str| for_toml(out, folder, what);
    print_line("");
    print_line(format_args!("In {}:", folder.join("portward.toml").display()));
    print_line("");
    print_line("  [tls]");
    print_line(format_args!("  certificates = {}", below("server")));
    print_line(format_args!("  client_trust = {}", below("client-trust")));
    print_line("");
    print_line("  [upstream]");
    print_line(format_args!("  certificate = {}", below("rp.crt")));
    print_line(format_args!("  trust = {}", below("upstream-trust")));
    print_line("");
    let ca = out.join("client-trust/dev-ca.crt");
    print_line("In clients: expired and foreign are bad certificates for a trial.");
    print_line(format_args!("Clients must trust {}, as in: curl --cacert {0} https://…", ca.display()));
    print_line("Only you can read the keys; chgrp portward and chmod 0640 let the service read them.");
}

/// A path below `out`, quoted, in the form for a portward.toml in `folder`.
fn for_toml(out: &Path, folder: &Path, what: &str) -> String {
    let path = out.join(what);
    // An empty path stands for the working directory. The dot makes it a path.
    let absolute = |path: &Path| {
        let path = Path::new(".").join(path);
        std::path::absolute(&path).unwrap_or(path)
    };
    let (path, folder) = (absolute(&path), absolute(folder));
    let path = path.strip_prefix(&folder).unwrap_or(&path);
    format!("{:?}", path.display().to_string())
}

fn normal(text: &str) -> Result<String, String> {
    name::normalise(text).map(String::from).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_configuration_are_relative() {
        let folder = Path::new("/etc/portward");
        assert_eq!(for_toml(Path::new("/etc/portward/certs"), folder, "server"), "\"certs/server\"");
        assert_eq!(for_toml(Path::new("/srv/certs"), folder, "server"), "\"/srv/certs/server\"");
        assert_eq!(for_toml(Path::new("certs"), Path::new(""), "rp.crt"), "\"certs/rp.crt\"");
    }
}

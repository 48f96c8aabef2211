//! `portward host add`: a new host, in a file of its own unless another one is named.

use std::path::{Path, PathBuf};

use toml_edit::{Array, Table, Value, value};

use super::change::{Editing, Finished};
use super::done::Done;
use super::{Args, HostError, How, daemon, normal};
use crate::config::edit;

/// A host in the arguments of the command line.
#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Its name, as clients ask for it; `*.example.net` and `example.net/location` are names, too
    name: String,
    /// Its target: an address or a DNS name; several are tried in their order
    #[arg(long, value_name = "ADDRESS", required = true)]
    target: Vec<String>,
    /// A path that HTTP requests may begin with; "" is every path
    #[arg(long, value_name = "PATH")]
    http: Vec<String>,
    /// The paths of a preset, as innovaphone-pbx
    #[arg(long, value_name = "NAME")]
    preset: Vec<String>,
    /// SIP, at the standard ports
    #[arg(long)]
    sip: bool,
    /// H.323, at the standard ports
    #[arg(long)]
    h323: bool,
    /// LDAP, at the standard ports
    #[arg(long)]
    ldap: bool,
    /// Another name of the same host
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Make the host disabled
    #[arg(long)]
    disabled: bool,
    /// The rules file to write to: a name in the folder of the rules, or a path. Without it, a new file with the host's
    /// name
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(args: &Args, new: &New) -> Result<(), HostError> {
    let name = normal(&new.name)?;
    let serves = new.sip || new.h323 || new.ldap || !new.http.is_empty() || !new.preset.is_empty();
    if !serves {
        return Err(HostError::usage(
            "nothing would be forwarded: give --http, --preset, --sip, --h323 or --ldap",
        ));
    }
    let editing = Editing::begin(args)?;
    if let Some(host) = editing.loaded.table.named(&name) {
        let place = editing.loaded.table.file(host.source()).display();
        let line = host.source().line;
        return Err(HostError::no(format_args!("there is a host {name} already: {place}:{line}")));
    }
    let file = file(&editing.loaded.config.rules, new.file.as_deref(), &name)?;
    let host = new.table();
    let mut done = Done::new(&name, "added");
    done.file = Some(file.clone());
    match editing.finish(&file, new.how, |text| Ok(edit::with_host(text, &host)))? {
        Finished::Same => {}
        Finished::Shown(difference) => return done.shown(args, &difference),
        Finished::Changed { .. } => done.told(daemon::reload(args)?),
    }
    done.report(args, &format!("{name} is in {}", file.display()))
}

impl New {
    fn table(&self) -> Table {
        let list = |texts: &[String]| Value::Array(texts.iter().map(String::as_str).collect::<Array>());
        let mut table = Table::new();
        table.insert("name", value(self.name.as_str()));
        if !self.alias.is_empty() {
            table.insert("aliases", value(list(&self.alias)));
        }
        if self.disabled {
            table.insert("enabled", value(false));
        }
        let target = match self.target.as_slice() {
            [one] => Value::from(one.as_str()),
            several => list(several),
        };
        table.insert("target", value(target));
        if !self.preset.is_empty() {
            table.insert("preset", value(list(&self.preset)));
        }
        if !self.http.is_empty() {
            table.insert("http", value(list(&self.http)));
        }
        let services = [("sip", self.sip), ("h323", self.h323), ("ldap", self.ldap)];
        for (service, _) in services.into_iter().filter(|(_, is_wanted)| *is_wanted) {
            table.insert(service, value(true));
        }
        table
    }
}

/// The file to which the host is written. It must be a file that is read as rules.
fn file(rules: &Path, wanted: Option<&Path>, name: &str) -> Result<PathBuf, HostError> {
    if !rules.is_dir() {
        return match wanted {
            None => Ok(rules.to_owned()),
            Some(wanted) if wanted == rules || rules.file_name() == Some(wanted.as_os_str()) => {
                Ok(rules.to_owned())
            }
            Some(_) => Err(HostError::usage(format_args!(
                "the rules are one file, {}: leave out --file",
                rules.display()
            ))),
        };
    }
    let Some(wanted) = wanted else {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let stem: String = name.replace('*', "wildcard").chars().map(plain).collect();
        return Ok(rules.join(format!("{stem}.toml")));
    };
    let is_bare = wanted.parent().is_some_and(|parent| parent.as_os_str().is_empty());
    let file = if is_bare { rules.join(wanted) } else { wanted.to_owned() };
    let canonical = |folder: &Path| std::fs::canonicalize(folder).ok();
    let is_there = file.parent().is_some_and(|parent| canonical(parent) == canonical(rules));
    let base = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !is_there || !base.ends_with(".toml") || base.starts_with('.') {
        return Err(HostError::usage(format_args!(
            "{} would not be read: a rules file is called NAME.toml and stands in {}",
            file.display(),
            rules.display()
        )));
    }
    Ok(rules.join(base))
}

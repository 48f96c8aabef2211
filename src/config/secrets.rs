//! `secrets`: shared secrets of credentials for a limited time. They are written in the list or in files of their own
//! (contract section 9). No message shows a secret or a part of one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::report::Fault;
use super::scalar;
use super::text::why;
use super::tree::Node;
use super::walk::Value;
use crate::credentials::{MOST_SECRETS, Secret};
use crate::files;

/// The longest secret in octets. HMAC hashes a key that is longer than one block.
const LONGEST: usize = 1024;

/// The prefix of the name of a file.
const FILE: &str = "file:";

/// Reads the list. Faults are reported and left out.
pub(super) fn read(value: &Value<'_>) -> Arc<[Secret]> {
    if !matches!(value.node, Node::Array(_)) {
        let fault = Fault::new(format!("`{}` must be a list of secrets, the newest first", value.key));
        value.error(fault.help("put it into brackets, as [\"file:PATH\"]"));
        return Arc::default();
    }
    let list = value.one_or_more();
    if let Some(beyond) = list.get(MOST_SECRETS) {
        let fault = Fault::new(format!("there are more than {MOST_SECRETS} secrets"));
        beyond.error(fault.help("the newest stand first: leave out the oldest ones"));
    }
    let mut secrets: Vec<Secret> = Vec::new();
    for element in list.iter().take(MOST_SECRETS) {
        let Some(secret) = read_secret(element) else { continue };
        if secrets.contains(&secret) {
            element.error(Fault::new("this secret is in the list twice"));
        }
        secrets.push(secret);
    }
    secrets.into()
}

fn read_secret(element: &Value<'_>) -> Option<Secret> {
    let Node::String(text) = element.node else {
        let fault = Fault::new("a secret must be a string");
        element.error(fault.help("write it in quotes, or \"file:PATH\" for one that a file holds"));
        return None;
    };
    let secret = match text.strip_prefix(FILE) {
        Some(path) => of_file(element, path),
        None => fit(text.as_bytes()),
    };
    secret.map_err(|fault| element.error(fault)).ok()
}

/// Reads the secret in a file, without the line end after it.
fn of_file(element: &Value<'_>, path: &str) -> Result<Secret, Fault> {
    let path = scalar::path(element.report.file, path)?;
    let cannot = |error: std::io::Error| {
        Fault::new(format!("{} cannot be read: {}", path.display(), why(&error))).because_of(&error)
    };
    // The limit is high enough to detect a secret that is too long.
    let octets = Zeroizing::new(files::read(&path, 2 * LONGEST as u64).map_err(cannot)?);
    let line = octets.strip_suffix(b"\n").unwrap_or(&octets);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    warn_if_open(element, &path);
    fit(line).map_err(|fault| fault.label(format!("in {}", path.display())))
}

fn fit(octets: &[u8]) -> Result<Secret, Fault> {
    let wrong = if octets.is_empty() {
        "the secret is empty".to_owned()
    } else if octets.len() > LONGEST {
        format!("the secret has more than {LONGEST} octets")
    } else if octets.iter().any(u8::is_ascii_control) {
        "the secret has a line end or another control character in it".to_owned()
    } else {
        return Ok(Secret::new(octets));
    };
    Err(Fault::new(wrong))
}

fn warn_if_open(element: &Value<'_>, path: &Path) {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
        let fault =
            Fault::new(format!("everybody on this machine can read the secret in {}", path.display()));
        element.warn(fault.help(format!("chmod o= {}", path.display())));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use crate::config::{Config, load_rules};
    use crate::rules::{Table, Tenant};

    /// The diagnostics of rules with such `secrets`, and the table.
    fn said(secrets: &str) -> (Option<Table>, String) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("newest"), "of a file\r\n").unwrap();
        fs::write(folder.path().join("two-lines"), "hunter2\nhunter3\n").unwrap();
        fs::write(folder.path().join("empty"), "\n").unwrap();
        let private = fs::Permissions::from_mode(0o600);
        for name in ["newest", "two-lines", "empty"] {
            fs::set_permissions(folder.path().join(name), private.clone()).unwrap();
        }
        let file = folder.path().join("rules.toml");
        fs::write(&file, format!("[tenant.XYZ]\nsecrets = {secrets}\n[tenant.below]\nparent = \"XYZ\"\n"))
            .unwrap();
        let rules = load_rules(&file, &Config::defaults(&folder.path().join("portward.toml")));
        (rules.table, rules.diagnostics.render(false))
    }

    #[test]
    fn item_1_secrets_are_read_in_their_order_and_not_inherited() {
        let (table, found) = said("[\"file:newest\", 'the older one', \"ä\"]");
        assert_eq!(found, "");
        let table = table.unwrap();
        let secrets = |id: &str| -> Vec<Vec<u8>> {
            let tenant = table.tenants().by_id(id).unwrap();
            tenant.secrets().iter().map(|secret| secret.octets().to_owned()).collect()
        };
        assert_eq!(
            secrets("XYZ"),
            ["of a file", "the older one", "ä"].map(|text| text.as_bytes().to_owned())
        );
        assert!(secrets("below").is_empty());
        let shown = format!(
            "{:?} {:?}",
            table.tenants(),
            table.tenants().iter().map(Tenant::secrets).collect::<Vec<_>>()
        );
        assert!(!shown.contains("older") && shown.contains("Secret"));
    }

    #[test]
    fn item_1_no_message_about_a_secret_shows_one() {
        let long = format!("[\"{}\"]", "hunter2".repeat(200));
        for (secrets, wrong) in [
            ("\"hunter2\"", "must be a list of secrets"),
            ("{ a = \"hunter2\" }", "must be a list of secrets"),
            ("[\"hunter2\", 5]", "a secret must be a string"),
            ("[\"hunter2\", \"\"]", "the secret is empty"),
            ("[\"hunter2\", \"hunter2\"]", "this secret is in the list twice"),
            ("[\"hunter2\\n\"]", "control character"),
            ("[\"hunter2\", \"b\", \"c\", \"d\", \"e\"]", "there are more than 4 secrets"),
            ("[\"hunter2\", \"file:nowhere\"]", "there is no such file or folder"),
            ("[\"file:empty\"]", "the secret is empty"),
            ("[\"file:two-lines\"]", "control character"),
            ("[\"file:\"]", "the path is empty"),
            ("[\"file:.\"]", "it is a folder"),
            ("[\"hunter2\"\nname = \"x\"", "is not closed"),
            (&long, "more than 1024 octets"),
        ] {
            let (table, found) = said(secrets);
            assert!(table.is_none() && found.contains(wrong), "{secrets}: {found}");
            assert!(!found.contains("hunter2"), "{secrets}: {found}");
        }
    }
}

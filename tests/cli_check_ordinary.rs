//! Issue 19, item 8: `portward check` as an ordinary user, who may not read keys, for example. Files that merely could
//! not be read are named with advice, and are no errors. The rest is checked.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use portward::tls::{DevCa, Validity};

/// The user `nobody` of every distribution.
const NOBODY: u32 = 65534;

/// A configuration that an ordinary user can find, and the program in a place where that user can start it.
struct Site {
    folder: tempfile::TempDir,
}

const RULES: &str = "[[host]]\nname = \"a.example.net\"\ntarget = \"192.0.2.2\"\nhttp = [\"/\"]\n";

impl Site {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
        let site = Self { folder };
        for name in ["rules", "certs/server", "certs/client-trust", "certs/upstream-trust"] {
            fs::create_dir_all(site.at(name)).expect("a folder");
        }
        fs::copy(env!("CARGO_BIN_EXE_portward"), site.at("portward")).expect("a copy");
        let config =
            format!("state = \"/var/lib/portward-of-nobody\"\n[admin]\nsocket = \"/nowhere\"\n{config}");
        fs::write(site.at("portward.toml"), config).expect("written");
        fs::write(site.at("rules/a.toml"), RULES).expect("written");
        let ca = DevCa::new().expect("a CA");
        fs::write(site.at("certs/upstream-trust/ca.crt"), ca.certificate_pem()).expect("written");
        let issued = ca.server_valid(&["a.example.net"], Validity::days(-9, 10)).expect("a certificate");
        fs::write(site.at("certs/server/a.crt"), issued.cert_pem.as_bytes()).expect("written");
        fs::write(site.at("certs/server/a.key"), issued.key_pem.as_bytes()).expect("written");
        site.only_root("certs/server/a.key");
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Closes a file to all other users. If the test does not run as root, its own user may not read it either.
    fn only_root(&self, name: &str) {
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o000)).expect("closed");
    }

    fn check(&self, more: &[&str]) -> (String, String, Option<i32>) {
        let mut command = Command::new(self.at("portward"));
        command.arg("check").arg("--config").arg(self.at("portward.toml")).args(more);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (text(stdout), text(stderr), status.code())
    }

    fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }
}

fn has(path: &Path, said: &str) -> bool {
    said.contains(&path.display().to_string())
}

#[test]
fn item_8_a_key_is_named_and_its_certificate_is_judged() {
    let site = Site::new("[listen]\nhttps = 453\n");
    fs::write(site.at("rules/b.toml"), RULES.replace("a.example", "b.example")).expect("written");
    let (summary, said, code) = site.check(&[]);
    assert_eq!(code, Some(0), "{said}{summary}");
    assert!(has(&site.at("certs/server/a.key"), &said), "{said}");
    let sudo = format!("sudo portward check --config {}", site.path("portward.toml"));
    assert!(said.contains(&format!("it is not judged; `{sudo}` reads it")), "{said}");
    assert!(
        said.contains("the certificate expires on ") && said.contains("no certificate covers b.example.net"),
        "{said}"
    );
    for not in ["error:", "there is no server certificate", "covers a.example.net"] {
        assert!(!said.contains(not), "{not}: {said}");
    }
    let end =
        format!("no errors, 2 warnings; what this user may not read was not judged, `{sudo}` reads all\n");
    assert!(summary.ends_with(&end), "{summary}");
    let (json, _, code) = site.check(&["--json"]);
    let found: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let found = found.as_array().expect("a list");
    let denied: Vec<_> = found.iter().filter(|one| one["denied"] == true).collect();
    assert_eq!((denied.len(), code), (1, Some(0)), "{json}");
    assert_eq!(denied[0]["severity"], "warning");
}

/// The same for a list of certificates, a closed folder of certificates, and closed trust.
#[test]
fn item_8_what_follows_from_closed_files_is_not_said() {
    let listed = "[listen]\nhttps = 453\n[tls]\ncertificates = [{ cert = \"certs/server/a.crt\", key = \"certs/server/a.key\" }]\n";
    for (config, closed) in [
        (listed, None),
        ("[listen]\nhttps = 453\n", Some("certs/server")),
        ("[listen]\nhttps = 453\n", Some("certs")),
        ("[listen]\nhttps = 453\n", Some("certs/upstream-trust/ca.crt")),
        ("[listen]\nsips = 5071\n", Some("certs/client-trust")),
    ] {
        let site = Site::new(config);
        let rules = format!("{RULES}sip = true\n");
        fs::write(site.at("rules/a.toml"), rules).expect("written");
        fs::write(site.at("certs/client-trust/ca.crt"), DevCa::new().expect("a CA").certificate_pem())
            .expect("written");
        closed.into_iter().for_each(|closed| site.only_root(closed));
        let (summary, said, code) = site.check(&[]);
        if let Some(closed) = closed {
            fs::set_permissions(site.at(closed), fs::Permissions::from_mode(0o755)).expect("open again");
        }
        assert_eq!(code, Some(0), "{closed:?}: {said}{summary}");
        for not in ["error:", "there is no server certificate", "holds no", "no certificate covers"] {
            assert!(!said.contains(not), "{closed:?} {not}: {said}");
        }
        assert!(summary.contains("what this user may not read was not judged"), "{closed:?}: {summary}");
    }
}

#[test]
fn item_8_other_rules_are_judged_beside_a_closed_file() {
    let site = Site::new("[listen]\nhttps = 453\nsip = 5070\n[sip]\ndefault_host = \"c.example.net\"\n");
    fs::write(site.at("rules/c.toml"), RULES.replace("a.example", "c.example")).expect("written");
    fs::write(site.at("rules/d.toml"), "[target.\"192.0.2.9\"]\nreuse = \"client\"\n").expect("written");
    site.only_root("rules/c.toml");
    let (summary, said, code) = site.check(&[]);
    assert_eq!(code, Some(0), "{said}{summary}");
    assert!(has(&site.at("rules/c.toml"), &said), "{said}");
    assert!(
        !said.contains("no rule is for the host") && !said.contains("no rule leads to this target"),
        "{said}"
    );
    // A fault in another file is an error.
    fs::write(site.at("rules/e.toml"), "[[host]]\nname = \"e.example.net\"\ntarget = \"192.0.2.300\"\n")
        .expect("written");
    let (summary, said, code) = site.check(&[]);
    assert_eq!(code, Some(1), "{said}{summary}");
    assert_eq!(said.matches("error:").count(), 1, "{said}");
}

#[test]
fn item_8_a_closed_configuration_cannot_be_judged() {
    let site = Site::new("[listen]\nhttps = 453\n");
    site.only_root("portward.toml");
    let (summary, said, code) = site.check(&[]);
    assert_eq!(code, Some(1));
    assert!(!said.contains("error:") && said.contains("`sudo portward check --config "), "{said}");
    assert!(summary.starts_with("checked nothing; what this user may not read"), "{summary}");
    // The folder of rules is closed. portward.toml is still checked.
    let site = Site::new("[listen]\nhttps = 453\n");
    site.only_root("rules");
    let (summary, said, code) = site.check(&[]);
    fs::set_permissions(site.at("rules"), fs::Permissions::from_mode(0o755)).expect("open again");
    assert_eq!(code, Some(0), "{said}{summary}");
    assert!(!said.contains("there is no rules file"), "{said}");
}

/// The user who runs Portward gets an error, because the service could not read the file either.
#[test]
fn item_8_the_owner_of_the_state_is_no_ordinary_user() {
    let site = Site::new("[listen]\nhttps = 453\n");
    let state = site.at("state");
    fs::create_dir(&state).expect("a folder");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&state, Some(NOBODY), None).expect("root gives it away");
    }
    let config = fs::read_to_string(site.at("portward.toml")).expect("read");
    fs::write(site.at("portward.toml"), config.replace("/var/lib/portward-of-nobody", "state"))
        .expect("written");
    let (_, said, code) = site.check(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: cannot be read: "), "{said}");
}

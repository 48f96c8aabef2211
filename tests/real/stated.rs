//! The program behaves as the pages state (issue 18, item 26): which mistakes prevent a start, which forms of
//! certificates are read, what happens to a later account. tests/config_statements checks the rest.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use crate::harness::{Child, Portward, Setup, command, eventually, program, within};

/// A page, its lines joined.
fn page(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn setup() -> Setup {
    let rules = "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\"/\"]\n";
    Portward::rules(rules).certificate("server", &["one.example.net"])
}

/// Gives a file or folder to another user, and closes it to all others.
fn take_away(path: &Path) {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    chown(path, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Starts `portward run` without the rights of root. Returns its lines, and whether it runs.
fn run_without_rights(config: &Path) -> (Vec<String>, bool) {
    assert!(rustix::process::geteuid().is_root(), "this test gives rights up: run it as root");
    let mut daemon = Command::new(program("setpriv", "util-linux"));
    daemon.args(["--inh-caps=-all", "--bounding-set=-all", "--", env!("CARGO_BIN_EXE_portward")]);
    let mut child = Child::start(daemon.args(["run", "--config"]).arg(config));
    let mut has_ended = false;
    eventually("it runs, or has ended", || {
        has_ended = child.ended().is_some();
        has_ended || child.lines().iter().any(|line| line.contains(" is ready: "))
    });
    if has_ended {
        child.wait();
    }
    (child.lines(), !has_ended)
}

/// docs/troubleshooting.md has a table of messages that prevent a start, and one of messages that do not.
#[test]
fn item_26_a_file_that_may_not_be_read_prevents_a_start_or_not_as_it_is_said() {
    within(90, || {
        let text = fs::read_to_string("docs/troubleshooting.md").unwrap();
        let (_, text) = text.split_once("\n## It does not start\n").expect("the section");
        let (text, _) = text.split_once("\n## A reload is refused\n").expect("its end");
        let (prevent, do_not) = text.split_once("These do not prevent a start:").expect("two tables");
        let row = |table: &str, parts: &[&str]| {
            table.lines().any(|line| line.starts_with("| `") && parts.iter().all(|part| line.contains(part)))
        };
        for (file, message, parts) in [
            (
                "portward.toml",
                "cannot be read: permission denied",
                ["the configuration … cannot be read", "permission denied"],
            ),
            (
                "rules/test.toml",
                "cannot be read: permission denied",
                ["the rules file … cannot be read", "permission denied"],
            ),
            (
                "certs/server.key",
                "cannot be read: Permission denied (os error 13)",
                ["cannot be read: Permission denied (os error 13)", "a key"],
            ),
            (
                "certs",
                "cannot be read: Permission denied (os error 13)",
                ["cannot be read: Permission denied (os error 13)", "folders"],
            ),
        ] {
            let setup = setup();
            let config = setup.write();
            let path = setup.dir().join(file);
            assert!(path.exists(), "{file}");
            take_away(&path);
            let (lines, runs) = run_without_rights(&config);
            assert!(lines.iter().any(|line| line.contains(message)), "{file}: {lines:?}");
            let (here, there) = if runs { (do_not, prevent) } else { (prevent, do_not) };
            assert!(
                row(here, &parts) && !row(there, &parts),
                "{file}: it runs: {runs}, and the page says otherwise"
            );
        }
    });
}

/// certs/README.md says which files may be DER.
#[test]
fn item_26_the_forms_of_certificates_are_those_that_are_named() {
    let page = page("certs/README.md");
    let setup = setup();
    let config = setup.write().display().to_string();
    let folder = setup.dir().join("certs");
    let is_clean = || command(20, setup.dir(), &["check", "--config", &config]).code == 0;
    let in_der = |file: &Path| {
        let pem = fs::read_to_string(file).unwrap();
        let made = Command::new(program("openssl", "openssl"))
            .args(if pem.contains("PRIVATE KEY") { ["pkey"] } else { ["x509"] })
            .args(["-outform", "DER", "-in"])
            .arg(file)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        fs::write(file, made.stdout).unwrap();
        pem
    };
    assert!(is_clean());
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    in_der(&certificate);
    assert_eq!(is_clean(), page.contains("`NAME.crt` is PEM") && page.contains("It may be DER as well"));
    assert!(is_clean() && !page.contains("Every file is PEM"));
    let pem = in_der(&key);
    assert_eq!(is_clean(), !page.contains("`NAME.key` is always PEM"));
    fs::write(&key, pem).unwrap();
    // The trust stores.
    let store = setup.dir().join("trust");
    fs::create_dir(&store).unwrap();
    fs::copy(&certificate, store.join("other.cer")).unwrap();
    let store = format!("{:?}", store.display().to_string());
    let with_stores = setup.set("tls.client_trust", &store).set("upstream.trust", &store);
    let config = with_stores.write().display().to_string();
    in_der(&with_stores.dir().join("certs/server.crt"));
    let said = command(20, with_stores.dir(), &["check", "--config", &config]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(page.contains("(`*.crt`, `*.pem`, `*.cer`; PEM, or one certificate as DER)"));
}

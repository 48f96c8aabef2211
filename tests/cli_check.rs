//! `portward check` with the real binary: its output, and its exit codes.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::process::{Command, Output};

fn check(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portward"));
    command.arg("check").args(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_examples_are_clean() {
    let output = check(&["rules/examples"]);
    // The secrets of an exchange stand in portward.toml, which is not checked here.
    let warned = text(&output.stderr);
    assert!(
        warned.starts_with("warning: nothing can be exchanged: portward.toml has no secrets"),
        "{warned}"
    );
    assert!(warned.matches("warning: ").count() == 1 && !warned.contains("error: "), "{warned}");
    let said = text(&output.stdout);
    let (notes, summary) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
    assert!(summary.starts_with("checked ") && summary.ends_with(": no errors, 1 warning"), "{said}");
    // The names in examples do not resolve.
    let is_of_a_name =
        |note: &str| note.starts_with("note: the target ") && note.contains(".example does not resolve");
    assert!(notes.lines().all(is_of_a_name), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn warnings_are_shown_and_allowed() {
    let output = check(&["tests/fixtures/spec-example/portward.toml"]);
    assert!(text(&output.stderr).starts_with("warning: "), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with(" warnings\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn errors_are_shown_without_colour_and_counted() {
    let output = check(&["--config", "tests/broken/whole/errors-in-both/portward.toml"]);
    let golden = std::fs::read_to_string("tests/broken/whole/errors-in-both.txt").expect("the text is there");
    assert_eq!(text(&output.stderr), golden);
    let summary = "checked tests/broken/whole/errors-in-both/portward.toml, 1 rule file, 1 host: \
                   2 errors, no warnings\n";
    assert_eq!(text(&output.stdout), summary);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn programs_get_json_and_nothing_else() {
    let output = check(&["--json", "tests/broken/rules/agreement.toml"]);
    assert_eq!(text(&output.stderr), "");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    assert_eq!(found[1]["severity"], "error");
    assert_eq!((found[1]["line"].as_u64(), found[1]["column"].as_u64()), (Some(9), Some(42)));
    assert_eq!(found[1]["related"]["line"], 4);
    assert_eq!(output.status.code(), Some(1));
}

/// Issue 18, item 24: a configuration with another file name is named in the output.
#[test]
fn item_24_a_configuration_of_another_name_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.toml");
    std::fs::write(&file, "rules = \"rules\"\n[listen]\nhttp = 90\n[blacklist]\nallow = []\n")
        .expect("written");
    let output = check(&[file.to_str().expect("UTF-8")]);
    let said = text(&output.stderr);
    assert_eq!(said.matches("error:").count(), 1, "{said}");
    assert!(said.contains(&format!("did you mean `portward check --config {}`?", file.display())), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

/// Issue 18, item 24: a path that is not a regular file is refused, and nothing waits for it.
#[test]
fn item_24_fifos_devices_and_endless_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).expect("a folder");
    let fifo = |path: &std::path::Path| {
        let made = Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
        assert!(made.success());
    };
    fifo(&rules.join("a.toml"));
    fifo(&rules.join("b.conf"));
    fifo(&rules.join("no-extension"));
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, rules.join(name)).expect("a link");
    link("/dev/zero", "c.toml");
    link("/dev/zero", "c.net");
    link("a.toml", "d.toml");
    link("e.toml", "e.toml");
    let endless = std::fs::File::create(rules.join("f.toml")).expect("a file");
    endless.set_len(1 << 40).expect("a hole takes no room");
    let config = folder.path().join("portward.toml");
    std::fs::write(&config, "[listen]\nhttp = 90\n").expect("written");
    let output = check(&["--config", config.to_str().expect("UTF-8")]);
    let said = text(&output.stderr);
    for what in [
        "a.toml cannot be read: it is a FIFO, not a file",
        "c.toml cannot be read: it is a device, not a file",
        "d.toml cannot be read: it is a FIFO, not a file",
        "e.toml cannot be read: ",
        "f.toml cannot be read: it is longer than 1024 MiB",
    ] {
        assert_eq!(said.matches(what).count(), 1, "{what}: {said}");
    }
    assert_eq!(said.matches("error:").count(), 5, "{said}");
    assert_eq!(output.status.code(), Some(1));

    let config = folder.path().join("fifo.toml");
    fifo(&config);
    let output = check(&["--config", config.to_str().expect("UTF-8")]);
    assert!(text(&output.stderr).contains("it is a FIFO, not a file"));
    assert_eq!(output.status.code(), Some(1));
}

/// Issue 18, item 24: files in the folders of certificates that are not read, or cannot be read.
#[test]
fn item_24_files_of_certificates_are_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["certs/server", "certs/client-trust", "certs/upstream-trust", "rules"] {
        std::fs::create_dir_all(at(name)).expect("a folder");
    }
    let write = |name: &str, text: &str| std::fs::write(at(name), text).expect("written");
    write("portward.toml", "[listen]\nhttps = 453\nsips = 5071\n");
    write(
        "rules/a.toml",
        "[[host]]\nname = \"a.example.net\"\ntarget = \"172.31.31.2\"\nldap = true\nsip = { tcp = 5060, tls = 5061 }\n",
    );
    write("certs/server/fullchain.pem", "x");
    write("certs/server/office.pfx", "x");
    write("certs/server/lonely.key", "x");
    write("certs/client-trust/ca.p7b", "x");
    write("certs/upstream-trust/openssl.conf", "x");
    let block = "-----BEGIN CERTIFICATE-----\nMIIB\n";
    write("certs/upstream-trust/cut.crt", block);
    write("certs/upstream-trust/odd.crt", &format!("{block}MI?B\n-----END CERTIFICATE-----\n"));
    write(
        "certs/client-trust/request.crt",
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
    );
    write("certs/client-trust/empty.crt", "");
    let output = check(&["--config", at("portward.toml").to_str().expect("UTF-8")]);
    let said = text(&output.stderr);
    for (file, what) in [
        ("server/fullchain.pem", "warning: this file is not read"),
        ("server/office.pfx", "warning: this file is not read"),
        ("server/lonely.key", "warning: this key is not read: it has no certificate"),
        ("client-trust/ca.p7b", "warning: this file is not read"),
        ("upstream-trust/openssl.conf", "warning: this file is not read"),
        (
            "upstream-trust/cut.crt",
            "error: the CERTIFICATE that begins in line 1 is cut off: its -----END CERTIFICATE----- is missing",
        ),
        ("upstream-trust/odd.crt", "error: line 3 cannot be read as base64"),
        (
            "client-trust/request.crt",
            "error: there is no certificate in this file, but a request for a certificate",
        ),
        ("client-trust/empty.crt", "error: there is no certificate in this file: it is empty"),
    ] {
        let whole = format!("{what}\n--> {}\n", at("certs").join(file).display());
        assert!(said.contains(&whole), "{whole}: {said}");
    }
}

#[test]
fn a_missing_file_is_said_with_what_to_do() {
    let output = check(&["--config", "no/such/portward.toml"]);
    assert!(text(&output.stderr).contains("there is no such file or folder"));
    assert!(text(&output.stderr).contains("--config FILE"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(check(&["--no-such-option"]).status.code(), Some(2));
}

#[test]
fn a_file_in_the_place_of_the_folder_of_certificates_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("portward.toml", "tls.certificates = \"dev.crt\"\n[listen]\nhttps = 453\n");
    write("dev.crt", "x");
    std::fs::create_dir_all(folder.path().join("rules")).expect("a folder");
    let output = check(&["--config", folder.path().join("portward.toml").to_str().expect("UTF-8")]);
    let said = text(&output.stderr);
    assert!(said.contains("this is a file: tls.certificates wants its folder"), "{said}");
    assert!(!said.contains("there is no such file"), "{said}");
}

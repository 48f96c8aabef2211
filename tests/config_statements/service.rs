//! The pages' statements about the unit, and about owners, groups and modes, agree with the unit and the packages.

use std::collections::BTreeMap;

use crate::installed::{folders, unit};
use crate::{block_lines, pages, read, spans};

fn in_words(number: u64) -> &'static str {
    ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
        [usize::try_from(number).expect("small")]
}

#[test]
fn the_unit_does_what_the_pages_say() {
    let joined = |page: &str| read(page).split_whitespace().collect::<Vec<_>>().join(" ");
    let number =
        |key: &str| -> u64 { unit(key).expect(key).trim_end_matches('s').parse().expect("a number") };
    let (upgrading, install) = (joined("docs/upgrading.md"), joined("docs/install.md"));
    let (tries, window) = (number("StartLimitBurst"), number("StartLimitIntervalSec"));
    assert_eq!(unit("Restart").as_deref(), Some("on-failure"));
    assert_eq!(number("RestartSec"), 1);
    for (page, sentence) in [
        (&upgrading, format!("systemd tries again {} times, a second apart", in_words(tries - 1))),
        (&upgrading, format!("refuses a start within {window} seconds of {} others", in_words(tries))),
        (&install, format!("if a worker thread stands still for {} seconds", number("WatchdogSec"))),
        (&install, format!("`LimitNOFILE={}`", number("LimitNOFILE"))),
    ] {
        assert!(page.contains(&sentence), "{sentence}");
    }
    assert!(upgrading.contains("systemctl reset-failed portward"));
    // Quoted directives stand in the unit, or in the socket unit.
    let socket = read("systemd/examples/portward.socket");
    for page in pages() {
        for span in spans(&read(&page)) {
            let Some((key, value)) = span.split_once('=') else { continue };
            let is_directive = key.len() > 2
                && key.starts_with(char::is_uppercase)
                && key.chars().all(char::is_alphanumeric)
                && !["DC", "SameSite"].contains(&key);
            let same = |found: &str| value.is_empty() || found.trim_start_matches('-') == value;
            let is_there =
                unit(key).is_some_and(|found| same(&found)) || socket.contains(&format!("\n{key}="));
            assert!(!is_directive || is_there, "{}: {span}", page.display());
        }
    }
    // systemd keeps the sockets, so a restart does not open them anew. It shows nothing about the right to open them.
    assert!(unit("FileDescriptorStoreMax").is_some());
    let page = read("docs/install.md");
    let section =
        page.split("\n## ").find(|section| section.starts_with("Without any capability")).expect("it");
    let typed: Vec<&str> = block_lines(section).filter(|line| line.starts_with("systemctl ")).collect();
    assert_eq!(typed, ["systemctl daemon-reload", "systemctl stop portward", "systemctl start portward"]);
}

#[test]
fn owners_and_modes_are_those_that_the_packages_make() {
    let (folders, page) = (folders(), read("docs/install.md"));
    let files: BTreeMap<String, String> = read("packaging/expected.deb")
        .lines()
        .filter_map(|line| {
            line.split_once(" /").map(|(rights, path)| (format!("/{path}"), rights.to_owned()))
        })
        .collect();
    let state = (unit("User").expect("a user"), unit("StateDirectoryMode").expect("a mode"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `/")?.split_once("` | "));
    let mut count = 0;
    for (path, rest) in rows {
        let path = format!("/{}", path.trim_end_matches('/'));
        let rights = rest.rsplit(" | ").next().unwrap_or_default().trim_end_matches(" |");
        if let Some([mode, user, group]) = folders.get(&path) {
            let owner = if user == group { user.clone() } else { format!("{user}:{group}") };
            assert_eq!(rights, format!("{owner} {mode}"), "{path}");
        } else if path == "/var/lib/portward" {
            let umask = u32::from_str_radix(&unit("UMask").expect("a mask"), 8).expect("octal digits");
            let files = format!("files {:04o}", 0o666 & !umask);
            assert_eq!(rights, format!("{} {}, {files}", state.0, state.1), "{path}");
        } else if path == "/run/portward/portward.sock" {
            let [mode, user, group] = &folders["/run/portward"];
            assert_eq!(rights, format!("{user}:{group} 0660, in a folder {mode}"), "{path}");
        } else if rights.contains("0644") {
            assert_eq!(files[&path], "-rw-r--r-- 0/0", "{path}");
        } else {
            continue;
        }
        count += 1;
    }
    assert!(count >= 8, "only {count} rows were found");
}

#[test]
fn who_may_do_what_follows_from_modes() {
    let (folders, users) = (folders(), read("systemd/portward.sysusers"));
    let page = read("docs/install.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Who may do what")).expect("it");
    let may: BTreeMap<&str, &str> =
        section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).collect();
    for (who, kind) in
        [("user `portward`", "\nu portward "), ("group `portward-admin`", "\ng portward-admin ")]
    {
        assert!(may.contains_key(who) && users.contains(kind), "{who}");
    }
    // The administrators' group has access to the socket, and to nothing below certs.
    assert_eq!(folders["/run/portward"][2], "portward-admin");
    let admin = may["group `portward-admin`"];
    let closed = folders.iter().filter(|(path, _)| path.starts_with("/etc/portward/certs"));
    assert!(
        closed.clone().count() == 4
            && closed.clone().all(|(_, [mode, _, group])| mode == "0750" && group == "portward")
    );
    assert!(admin.contains("cannot read keys, nor anything else under `/etc/portward/certs`"), "{admin}");
    // Every user can read the configuration and the rules.
    let everybody = may["everybody else on the machine"];
    assert!(["/etc/portward", "/etc/portward/rules"].iter().all(|path| folders[*path][0] == "0755"));
    assert!(everybody.contains("can read `portward.toml` and the rules"), "{everybody}");
    // The service can write where the unit allows it.
    let service = may["user `portward`"];
    for place in
        [format!("/var/lib/{}", unit("StateDirectory").expect("it")), unit("ReadWritePaths").expect("it")]
    {
        assert!(service.contains(place.trim_start_matches('-')), "{place}");
    }
}

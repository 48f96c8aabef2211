//! The demonstration stays up to be tried. Every line that it prints can be pasted into a shell, and does what the
//! comment above it says (issue 18, item 27).

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{Child, Output, curl, eventually, program, within};

/// Each line that can be pasted, found by a text that only it contains, with its expected result: the exit code, a part
/// of the output, and a part of the decision line, if there is one.
const EXPECTED: [(&str, i32, &str, &str); 18] = [
    ("dashboard --config", 0, "/login?code=", ""),
    ("/PBX0/APPCLIENT/appclient.htm", 0, "This is the master PBX", "http://hq.dvl-ckl2.net"),
    ("/PBX0/APPS/", 0, "This is the master PBX", "https://hq.dvl-ckl2.net"),
    ("https://apps.dvl-ckl2.net", 0, "This is the app platform", "https://apps.dvl-ckl2.net"),
    ("/secret", 0, "HTTP/1.1 404 ", "rejected: no-path"),
    ("https://unknown.example", 52, "", "rejected: unknown-host"),
    ("/token/customer", 0, ":customer/anna@voxbone.example\"", "/token/customer"),
    ("printf \"REGISTER", 0, "Server: master PBX, plain", "sip:ckl@dvl-ckl2.net REGISTER -> "),
    ("openssl s_client", 0, "Server: master PBX, TLS", "REGISTER cert=ok(009033410004) -> "),
    ("tr -cd", 0, "master PBX, plain", "h323:dvl-ckl2.net RRQ 009033410004 -> "),
    ("-ZZ", 0, "cn: Eva Example", "ldaps://apps.dvl-ckl2.net BIND contacts"),
    ("-H ldaps://", 0, "description: master PBX", "ldaps://hq.dvl-ckl2.net BIND contacts"),
    ("/PBX0/APPS/x sips:", 0, "h323:hq@dvl-ckl2.net/branch-b -> 127.31.31.3:", ""),
    ("/boaform/admin", 52, "", "127.0.0.9 blacklisted for 5m: 21 suspicious requests"),
    ("blacklist --config", 0, "unknown-host (21 in a minute)", ""),
    ("--from 127.0.0.9", 1, "rejected: blacklisted", ""),
    ("blacklist remove", 0, "127.0.0.9 is no longer listed", ""),
    ("blacklist add", 0, "by hand: spam", ""),
];

/// The demonstration, with its output as the lines of a [`Child`]. Its files are below `temp`.
fn demo(temp: &Path, path: Option<&Path>) -> Child {
    let mut command = Command::new(program("sh", "dash"));
    let program = path.map_or(env!("CARGO_BIN_EXE_portward"), |_| "portward");
    command.args(["-c", "exec \"$0\" demo >&2", program]).env("TMPDIR", temp);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    Child::start(&mut command)
}

/// Waits for the end of its output. Returns the lines to be pasted, with the comments above them.
fn to_be_pasted(demo: &Child) -> Vec<(String, String)> {
    eventually("it has come to its end", || {
        demo.lines().iter().any(|line| line.starts_with("# H.323 (H.460.17): gate"))
    });
    let lines = demo.lines();
    let from = lines.iter().position(|line| line.starts_with("Portward stays up")).unwrap();
    let pairs = lines[from..]
        .windows(2)
        .filter(|pair| pair[0].starts_with("# ") && !pair[1].is_empty() && !pair[1].starts_with('#'));
    pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// Pastes a line into a shell in another folder.
fn paste(line: &str) -> Output {
    let output = Command::new("sh").args(["-c", line]).current_dir("/").output().unwrap();
    Output {
        code: output.status.code().unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn item_27_every_line_of_the_demonstration_can_be_pasted() {
    within(120, || {
        for (name, package) in
            [("bash", "bash"), ("curl", "curl"), ("openssl", "openssl"), ("ldapsearch", "ldap-utils")]
        {
            program(name, package);
        }
        let dir = tempfile::tempdir().unwrap();
        let temp = dir.path().join("it's a folder");
        fs::create_dir(&temp).unwrap();
        let mut demo = demo(&temp, None);
        let pasted = to_be_pasted(&demo);
        assert_eq!(pasted.len(), EXPECTED.len(), "{pasted:#?}");
        for ((comment, line), (mark, code, shows, decision)) in pasted.iter().zip(EXPECTED) {
            assert!(line.contains(mark), "{mark}: {line}");
            assert!(!comment.contains(['\'', '"', '`']), "{comment}");
            let before = demo.mark();
            let said = paste(line);
            assert!(said.code == code && said.out.contains(shows), "{comment}\n{line}\n{said:?}");
            if !decision.is_empty() {
                demo.line_after(before, &[decision]);
            }
        }
        assert!(!is_empty(&temp));
        demo.signal(Signal::INT);
        assert_eq!(demo.wait().code(), Some(0));
        assert!(is_empty(&temp), "everything is removed");
    });
}

/// The printed link logs in. So does a new one, which the command beside it prints.
#[test]
fn issue_23_the_demonstration_has_a_dashboard() {
    within(60, || {
        let dir = tempfile::tempdir().unwrap();
        let mut demo = demo(dir.path(), None);
        let pasted = to_be_pasted(&demo);
        let lines = demo.lines();
        let link = lines.iter().find_map(|line| line.strip_prefix("# http://127.0.0.1:")).unwrap();
        let first = format!("http://127.0.0.1:{link}");
        let (_, command) = pasted.iter().find(|(_, line)| line.contains(" dashboard --config ")).unwrap();
        let second = paste(command).out.trim_end().to_owned();
        let jar = dir.path().join("jar").display().to_string();
        let status = |args: &[&str]| {
            let said =
                curl(&[&["-w", "%{http_code}", "-o", "/dev/null", "-b", &jar, "-c", &jar], args].concat());
            assert_eq!(said.code, 0, "{said:?}");
            said.out
        };
        for link in [first, second] {
            let (root, _) = link.split_once("/login?code=").unwrap();
            fs::write(&jar, "").unwrap();
            assert_eq!(status(&[&format!("{root}/v1/status")]), "401");
            assert_eq!(status(&[&link]), "200");
            assert_eq!(status(&[&format!("{root}/")]), "200");
            assert_eq!(status(&[&format!("{root}/v1/decisions")]), "200");
            assert_eq!(status(&[&link]), "401", "once");
        }
        demo.signal(Signal::INT);
        assert_eq!(demo.wait().code(), Some(0));
    });
}

/// If the shell finds the running program by its name, the output uses the name. Otherwise it uses the path.
#[test]
fn item_27_the_program_is_named_as_the_shell_finds_it() {
    within(60, || {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portward"), bin.join("portward")).unwrap();
        for (path, named) in [
            (Some(bin.as_path()), "portward explain "),
            (None, concat!(env!("CARGO_BIN_EXE_portward"), " explain ")),
        ] {
            let demo = demo(dir.path(), path);
            assert!(to_be_pasted(&demo).iter().any(|(_, line)| line.starts_with(named)), "{named}");
        }
    });
}

/// However and whenever the demonstration ends, its files are removed.
#[test]
fn item_27_it_is_ended_in_the_middle_of_the_walk_and_leaves_nothing() {
    within(60, || {
        for (signal, seen) in [
            (Signal::INT, "Portward on loopback"),
            (Signal::TERM, "REVERSE-PROXY 1 "),
            (Signal::TERM, "Portward stays up"),
        ] {
            let temp = tempfile::tempdir().unwrap();
            let mut demo = demo(temp.path(), None);
            demo.line_after(0, &[seen]);
            demo.signal(signal);
            demo.wait();
            assert!(is_empty(temp.path()), "{seen}");
        }
    });
}

//! Item 22: the state in the folder of `state` is never lost, whatever is wrong with the folder and whichever user has
//! run Portward (contract section 6: the list survives a restart).

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use rustix::process::{Signal, geteuid};

use crate::harness::{OTHER, Portward, Setup, command, eventually, within};

fn setup() -> Setup {
    Portward::rules("[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\"/\"]\n")
}

/// The command's output, which must be good.
fn ask(portward: &Portward, args: &[&str]) -> String {
    let config = portward.config().display().to_string();
    let args: Vec<_> = ["blacklist"].iter().chain(args).copied().chain(["--config", &config]).collect();
    let output = command(30, portward.dir(), &args);
    assert_eq!(output.code, 0, "{args:?}: {output:?}");
    output.out
}

fn add(portward: &Portward, address: &str) {
    eventually("it can be asked", || fs::exists(portward.dir().join("portward.sock")).unwrap());
    ask(portward, &["add", address, "--note", "kept"]);
}

fn assert_lists(portward: &Portward, addresses: &[&str]) {
    eventually("it can be asked", || fs::exists(portward.dir().join("portward.sock")).unwrap());
    let listed = ask(portward, &["list"]);
    for address in addresses {
        assert!(listed.contains(address), "{address} is not in {listed}");
    }
}

/// Kills Portward, so that it writes nothing any more.
fn kill(portward: &Portward) {
    portward.signal(Signal::KILL);
    portward.wait();
}

/// Closes a file to all users but root. If the tests do not run as root, no user can read it.
fn hide(file: &Path) {
    if geteuid().is_root() {
        chown(file, Some(0), Some(0)).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    } else {
        fs::set_permissions(file, fs::Permissions::from_mode(0o0)).unwrap();
    }
}

fn show(file: &Path) {
    if geteuid().is_root() {
        chown(file, Some(OTHER), Some(OTHER)).unwrap();
    }
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn item_22_after_half_a_line_and_two_restarts_all_are_listed() {
    within(60, || {
        let portward = setup().start();
        add(&portward, "203.0.113.7");
        add(&portward, "203.0.113.8");
        portward.terminate();
        portward.wait();
        let file = portward.dir().join("state/blacklist.jsonl");
        let key = fs::read(portward.dir().join("state/sip-route.key")).unwrap();
        let good = fs::read_to_string(&file).unwrap();
        let half = format!("{good}{{\"address\":\"203.0.113.9\",\"since\":17");
        fs::write(&file, &half).unwrap();
        let mut portward = portward.restart();
        portward.line(&["blacklist.jsonl was damaged in line 3; 2 entries could be read", "written anew"]);
        for _ in 0..2 {
            // As in a power failure, nothing is written at the end.
            kill(&portward);
            assert_eq!(fs::read_to_string(&file).unwrap(), good);
            let aside = portward.dir().join("state/blacklist.jsonl.damaged");
            assert_eq!(fs::read_to_string(aside).unwrap(), half);
            portward = portward.restart();
            assert_lists(&portward, &["203.0.113.7", "203.0.113.8"]);
            assert!(!portward.lines().join("\n").contains("damaged"), "it was said once");
        }
        assert_eq!(fs::read(portward.dir().join("state/sip-route.key")).unwrap(), key);
    });
}

#[test]
fn item_22_what_cannot_be_read_is_never_replaced_and_comes_back() {
    within(120, || {
        let portward = setup().unprivileged().start();
        add(&portward, "203.0.113.7");
        portward.terminate();
        portward.wait();
        let files = ["blacklist.jsonl", "sip-route.key"].map(|name| portward.dir().join("state").join(name));
        let before = files.clone().map(|file| fs::read(file).unwrap());
        files.iter().for_each(|file| hide(file));
        let look = || {
            files.clone().map(|file| (fs::metadata(&file).unwrap().ino(), fs::metadata(&file).unwrap().len()))
        };
        let hidden = look();

        let mut portward = portward.restart();
        for _ in 0..2 {
            for name in ["blacklist.jsonl", "sip-route.key"] {
                portward.line(&[name, "cannot be read: Permission denied", "it is left as it is"]);
            }
            add(&portward, "203.0.113.8");
            portward.terminate();
            assert_eq!(portward.wait(), Some(0));
            assert_eq!(look(), hidden, "neither at the start nor at the end");
            portward = portward.restart();
        }
        add(&portward, "203.0.113.8");
        // An administrator mends the file while Portward runs.
        let mark = portward.mark();
        files.iter().for_each(|file| show(file));
        portward.line_after(mark, &["blacklist.jsonl is kept again"]);
        portward.line_after(mark, &["sip-route.key is kept again"]);
        assert_lists(&portward, &["203.0.113.7", "203.0.113.8"]);
        portward.terminate();
        portward.wait();
        assert_eq!(fs::read(&files[1]).unwrap(), before[1]);
        let portward = portward.restart();
        assert_lists(&portward, &["203.0.113.7", "203.0.113.8"]);
    });
}

/// A run as root in the service's folder, in three cases: the file exists, the file is new, the folder is new.
#[test]
fn item_22_what_root_has_written_the_service_can_read() {
    assert!(geteuid().is_root(), "this test runs programs of several users: run it as root");
    within(120, || {
        for steps in [&["user", "root", "user"][..], &["root", "user", "root", "user"]] {
            let setup = setup();
            let state = setup.dir().join("state");
            fs::create_dir(&state).unwrap();
            chown(&state, Some(OTHER), Some(OTHER)).unwrap();
            let mut setup = Some(setup);
            let mut portward: Option<Portward> = None;
            for (number, step) in steps.iter().enumerate() {
                let now = match portward.take() {
                    None if *step == "user" => setup.take().unwrap().unprivileged().start(),
                    None => setup.take().unwrap().start(),
                    Some(before) if *step == "user" => before.unprivileged().restart(),
                    Some(before) => before.privileged().restart(),
                };
                if *step == "root" {
                    now.line(&["this runs as root, but", &format!("belongs to the user {OTHER}")]);
                }
                add(&now, &format!("203.0.113.{number}"));
                let all: Vec<_> = (0..=number).map(|number| format!("203.0.113.{number}")).collect();
                assert_lists(&now, &all.iter().map(String::as_str).collect::<Vec<_>>());
                now.terminate();
                assert_eq!(now.wait(), Some(0));
                for file in fs::read_dir(&state).unwrap() {
                    let file = file.unwrap();
                    let there = file.metadata().unwrap();
                    assert_eq!((there.uid(), there.gid()), (OTHER, OTHER), "{file:?}");
                }
                let said = now.lines().join("\n");
                assert!(!said.contains("cannot be") && !said.contains("damaged"), "{said}");
                portward = Some(now);
            }
        }
    });
}

/// `check` reports faults of the state before they matter.
#[test]
fn item_22_check_covers_the_state() {
    within(60, || {
        let setup = setup();
        let config = setup.write().display().to_string();
        let state = setup.dir().join("state");
        let check = || command(30, setup.dir(), &["check", "--config", &config]);
        fs::create_dir(&state).unwrap();
        assert!(!check().all().contains("state"), "{:?}", check());
        fs::write(state.join("blacklist.jsonl"), "{\"address\":\"203.0.113.9\",\"sin").unwrap();
        fs::write(state.join("sip-route.key"), "short").unwrap();
        let said = check();
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.errors.contains("warning: the blacklist is damaged in line 1"), "{said:?}");
        assert!(said.errors.contains("warning: the key of SIP routes is damaged"), "{said:?}");
        for name in ["blacklist.jsonl", "sip-route.key"] {
            fs::remove_file(state.join(name)).unwrap();
            symlink("not mounted", state.join(name)).unwrap();
        }
        assert_eq!(check().errors.matches("cannot be read: it is a link that leads nowhere").count(), 2);
    });
}

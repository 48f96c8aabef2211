//! Item 29: absence never replaces anything. When a file is gone or empty its old contents stay in force, and a message
//! says so. A path that is not a regular file is refused, and Portward does not wait for it (contract section 4).

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{Portward, Target, command, eventually, within};

fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
    )
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn item_29_a_removed_admin_socket_comes_back() {
    within(60, || {
        let portward = Portward::with_rules(&rules(9));
        let socket = portward.dir().join("portward.sock");
        eventually("it listens", || UnixStream::connect(&socket).is_ok());
        let config = portward.config().display().to_string();
        let ask = || command(20, portward.dir(), &["blacklist", "--config", &config]);
        for _ in 0..2 {
            fs::remove_file(&socket).unwrap();
            assert!(ask().errors.contains("no Portward answers on"));
            portward.hang_up();
            eventually("it listens again", || UnixStream::connect(&socket).is_ok());
            assert_eq!(ask().out, "no address is listed\n");
        }
        // The same without a reload. A Portward that was stopping may have removed it.
        fs::remove_file(&socket).unwrap();
        fs::write(&socket, "a file").unwrap();
        let mark = portward.mark();
        portward.line_after(mark, &["portward.sock cannot be opened: there is a file, which is no socket"]);
        fs::remove_file(&socket).unwrap();
        portward.line_after(mark, &["info: administration on ", "portward.sock"]);
        assert_eq!(ask().out, "no address is listed\n");
        // The new file belongs to another program. It is named in a message and stays.
        fs::remove_file(&socket).unwrap();
        fs::write(&socket, "a file").unwrap();
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["portward.sock cannot be opened: there is a file, which is no socket"]);
        portward.terminate();
        assert_eq!(portward.wait(), Some(0));
        assert_eq!(fs::read_to_string(&socket).unwrap(), "a file");
    });
}

#[test]
fn item_29_the_place_of_state_and_socket_takes_a_restart() {
    within(60, || {
        let portward = Portward::with_rules(&rules(9));
        let socket = portward.dir().join("portward.sock");
        eventually("it listens", || UnixStream::connect(&socket).is_ok());
        let text = fs::read_to_string(portward.config()).unwrap();
        let text = text.replace("state = \"state\"", "state = \"other\"");
        fs::write(portward.config(), text.replace("portward.sock", "other.sock")).unwrap();
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["other can be written to after a restart only: `state` stays "]);
        portward
            .line_after(mark, &["other.sock can be written to after a restart only: `admin.socket` stays "]);
        portward.line_after(mark, &["reloaded: 1 hosts"]);
        assert!(UnixStream::connect(&socket).is_ok());
        assert!(!portward.dir().join("other.sock").exists() && !portward.dir().join("other").exists());
    });
}

#[test]
fn item_29_what_is_no_file_in_the_state_folder_refuses_the_start() {
    within(60, || {
        type Put = fn(&Path);
        let device: Put = |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        let folder: Put = |path| fs::create_dir(path).unwrap();
        for name in ["blacklist.jsonl", "sip-route.key"] {
            for (put, what) in [(fifo as Put, "a FIFO"), (device, "a device"), (folder, "a folder")] {
                let setup = Portward::rules(&rules(9));
                let config = setup.write();
                fs::create_dir(setup.dir().join("state")).unwrap();
                put(&setup.dir().join("state").join(name));
                let (code, lines) = setup.fails_to_start(&config);
                assert_eq!(code, Some(1), "{name}, {what}: {lines}");
                assert!(lines.contains(name) && lines.contains(&format!("it is {what}")), "{what}: {lines}");
                let config = config.display().to_string();
                let check = command(20, setup.dir(), &["check", "--config", &config]);
                assert!(check.code == 1 && check.all().contains(&format!("it is {what}")), "{check:?}");
            }
        }
        let setup = Portward::rules(&rules(9));
        let config = setup.write();
        fifo(&setup.dir().join("state"));
        let (code, lines) = setup.fails_to_start(&config);
        assert!(code == Some(1) && lines.contains("it is not a folder"), "{lines}");

        // The same at a reload: everything stays as it was.
        let target = Target::named("here");
        let portward = Portward::with_rules(&rules(target.port()));
        let list = portward.dir().join("state/blacklist.jsonl");
        let _ = fs::remove_file(&list);
        fifo(&list);
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["blacklist.jsonl cannot be used: it is a FIFO"]);
        portward.line_after(mark, &["reload refused: everything stays as it was"]);
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
    });
}

/// Rules, presets and portward.toml: a FIFO or a device is an error, and Portward does not wait without end.
#[test]
fn item_29_what_is_no_file_among_the_rules_refuses_the_reload() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&rules(target.port()));
        let config = portward.config().display().to_string();
        fs::create_dir(portward.dir().join("rules/presets")).unwrap();
        for name in ["rules/a.toml", "rules/presets/a.toml"] {
            let path = portward.dir().join(name);
            fifo(&path);
            let mark = portward.mark();
            portward.hang_up();
            portward.line_after(mark, &["a.toml cannot be read: it is a FIFO, not a file"]);
            portward.line_after(mark, &["reload refused"]);
            let check = command(20, portward.dir(), &["check", "--config", &config]);
            assert!(check.code == 1 && check.all().contains("it is a FIFO"), "{check:?}");
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            let mark = portward.mark();
            portward.hang_up();
            portward.line_after(mark, &["a.toml cannot be read: it is a device, not a file"]);
            fs::remove_file(&path).unwrap();
        }
        fs::remove_file(portward.config()).unwrap();
        fifo(&portward.config());
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["portward.toml cannot be read: it is a FIFO, not a file"]);
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
    });
}

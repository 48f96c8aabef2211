//! Item 25: a mended permission is noticed although the file has not changed. One line of `systemctl status` says which
//! TLS ports are closed and why, and which parts of the state are not stored.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{XattrFlags, setxattr};
use rustix::process::geteuid;

use crate::harness::{OTHER, Portward, ServiceManager, Setup, within};

/// HTTP, HTTPS, SIP and SIPS, with one certificate in a folder `shown`.
fn setup(manager: &Arc<ServiceManager>) -> Setup {
    let setup =
        Portward::rules("[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\"/\"]\n")
            .under(manager)
            .unprivileged()
            .listen("sip")
            .listen("sips")
            .set("tls.certificates", "\"shown\"");
    setup.write();
    fs::rename(setup.dir().join("certs"), setup.dir().join("shown")).unwrap();
    setup
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// An access control list (acl(5)) as the kernel stores it: the owner may read and write, `user` may read or nothing,
/// the others nothing. The group's bits of the mode are the list's mask: they are r-- in both cases.
fn acl(path: &Path, user_may_read: bool) {
    const NO_ID: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, NO_ID),
        (0x02, if user_may_read { 4 } else { 0 }, OTHER),
        (0x04, 0, NO_ID),
        (0x10, 4, NO_ID),
        (0x20, 0, NO_ID),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, may, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(may.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    setxattr(path, "system.posix_acl_access", &list, XattrFlags::empty()).unwrap();
}

const OPEN: &str = "STATUS=serving 1 hosts on 4 sockets\n";
const CLOSED: &str = "STATUS=serving 1 hosts on 2 sockets; https, sips closed: ";

#[test]
fn item_25_tls_ports_that_are_closed_stand_in_the_status_until_it_is_mended() {
    within(90, || {
        for (name, open) in [("shown/server.key", 0o600), ("shown/server.crt", 0o600), ("shown", 0o700)] {
            let manager = ServiceManager::start();
            let setup = setup(&manager);
            let path = setup.dir().join(name);
            mode(&path, 0);
            let portward = setup.start();
            let why = format!("{}: cannot be read: Permission denied (os error 13)\n", path.display());
            let said = manager.hears_after(0, &["READY=1", CLOSED, &why]);
            assert_eq!(said.lines().count(), 2, "{said}");
            mode(&path, open);
            manager.hears_after(0, &[OPEN]);
            portward.line(&["listening on", "(sips)"]);
            assert!(portward.tls("one.example.net").get("one.example.net", "/x").status() > 0);
        }
    });
}

#[test]
fn item_25_what_is_not_there_is_said_and_a_refused_reload_stays_in_the_status() {
    within(60, || {
        let manager = ServiceManager::start();
        let setup = setup(&manager);
        fs::rename(setup.dir().join("shown"), setup.dir().join("hidden")).unwrap();
        let portward = setup.start();
        let folder = portward.dir().join("shown");
        manager.hears_after(
            0,
            &["READY=1", CLOSED, &format!("{}: there is no certificate\n", folder.display())],
        );
        portward.write_rules("[[host]]\nname = 7\n");
        portward.hang_up();
        manager
            .hears_after(0, &["READY=1", "on 2 sockets; the last reload was refused; https, sips closed: "]);
        let mark = manager.mark();
        fs::rename(portward.dir().join("hidden"), &folder).unwrap();
        manager.hears_after(mark, &["STATUS=serving 1 hosts on 4 sockets; the last reload was refused\n"]);
    });
}

/// An access control list may grant a right. stat(2) shows no change of the file, except one time that says nothing
/// about its content.
#[test]
fn item_25_a_right_by_an_access_control_list_is_noticed() {
    assert!(geteuid().is_root(), "this test runs programs of several users: run it as root");
    within(60, || {
        let manager = ServiceManager::start();
        let setup = setup(&manager);
        let (later, folder) = (setup.dir().join("later"), setup.dir().join("shown"));
        fs::rename(&folder, &later).unwrap();
        fs::create_dir(&folder).unwrap();
        let portward = setup.start();
        manager.hears_after(0, &[CLOSED]);
        for name in ["server.key", "server.crt"] {
            let file = later.join(name);
            chown(&file, Some(0), Some(0)).unwrap();
            acl(&file, name == "server.crt");
            fs::rename(file, folder.join(name)).unwrap();
        }
        let key = folder.join("server.key");
        let before = fs::metadata(&key).unwrap();
        manager.hears_after(0, &[CLOSED, &format!("{}: cannot be read", key.display())]);
        acl(&key, true);
        let after = fs::metadata(&key).unwrap();
        assert_eq!((before.mode(), before.mtime(), before.ino()), (after.mode(), after.mtime(), after.ino()));
        manager.hears_after(0, &[OPEN]);
        portward.line(&["listening on", "(sips)"]);
    });
}

/// Parts of the state that are not stored are named in the status, and in the daemon's warnings.
#[test]
fn item_22_a_state_that_is_not_kept_stands_in_the_status_until_it_is_mended() {
    within(60, || {
        let manager = ServiceManager::start();
        let setup = setup(&manager);
        let state = setup.dir().join("state");
        fs::create_dir(&state).unwrap();
        symlink("not mounted", state.join("blacklist.jsonl")).unwrap();
        let portward = setup.start();
        let list = state.join("blacklist.jsonl");
        let why = format!(
            "STATUS=serving 1 hosts on 4 sockets; {} cannot be read: it is a link that leads nowhere\n",
            list.display()
        );
        manager.hears_after(0, &["READY=1", &why]);
        fs::remove_file(&list).unwrap();
        manager.hears_after(0, &[OPEN]);
        portward.line(&["blacklist.jsonl is kept again"]);
    });
}

//! htpasswd files: read at the start, at a reload, and when they change.

use std::fs;

use super::{HOST, basic, get, line, setup};
use crate::harness::{Setup, Target, command, eventually, within};

fn with_file(target: &Target, text: &str) -> Setup {
    let more = format!("{{ path = \"/files\", login = \"users.htpasswd\", tcp = {} }},\n", target.port());
    let setup = setup(target, &more);
    fs::write(setup.dir().join("rules/users.htpasswd"), text).unwrap();
    setup
}

#[test]
fn item_3_a_file_is_read_again_when_it_changes() {
    within(120, || {
        let target = Target::named("inside");
        let portward = with_file(&target, &format!("# our users\n\n{}\r\n", line("one", "pa55", 4))).start();
        let file = portward.dir().join("rules/users.htpasswd");
        let status = |user: &str, password: &str| {
            get(&mut portward.tls(HOST), "/files/x", &basic(user, password)).status()
        };
        assert_eq!([status("one", "pa55"), status("two", "word")], [200, 401]);
        fs::write(&file, line("two", "word", 4)).unwrap();
        eventually("the new user is known", || status("two", "word") == 200);
        assert_eq!(status("one", "pa55"), 401, "the old one is forgotten, although it was remembered");
        // Wrong, empty and missing files leave the old contents in force.
        let mark = portward.mark();
        fs::write(&file, "two:hunter2\n").unwrap();
        let said = portward.line_after(mark, &["line 1 of an htpasswd file"]);
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(status("two", "word"), 200);
        let mark = portward.mark();
        fs::write(&file, "").unwrap();
        portward.line_after(mark, &["has no users"]);
        assert_eq!(status("two", "word"), 200);
        let mark = portward.mark();
        fs::remove_file(&file).unwrap();
        portward.line_after(mark, &["the htpasswd file", "cannot be read"]);
        assert_eq!(status("two", "word"), 200);
        // A reload refuses a missing file.
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["cannot be read"]);
        assert_eq!(status("two", "word"), 200);
        fs::write(&file, line("three", "w", 4)).unwrap();
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["reloaded"]);
        assert_eq!([status("three", "w"), status("two", "word")], [200, 401]);
        assert!(!portward.lines().join("\n").contains("hunter2"));
    });
}

#[test]
fn item_3_what_is_wrong_in_a_file_has_a_place_and_no_secret_is_shown() {
    within(60, || {
        let target = Target::named("inside");
        let text = format!("{}\nplain:hunter2\nnothing\n", line("one", "pa55", 4));
        let setup = with_file(&target, &text);
        let config = setup.write();
        let config = config.to_string_lossy();
        let output = command(60, setup.dir(), &["check", "--config", &config]);
        let said = output.all();
        assert_eq!(output.code, 1, "{said}");
        assert!(said.contains("users.htpasswd:2:7") && said.contains("users.htpasswd:3:1"), "{said}");
        assert!(said.contains("htpasswd -nB USER"), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("$2y$"), "{said}");
        // Lines of a tenant.
        let rules = setup.dir().join("rules/test.toml");
        let good = fs::read_to_string(&rules).unwrap();
        fs::write(setup.dir().join("rules/users.htpasswd"), line("one", "pa55", 4)).unwrap();
        fs::write(
            &rules,
            good.replace("[tenant.NOBODY]", "[tenant.NOBODY]\nlogin = [\"key:hunter2\", \"a:$2y$99$b\"]"),
        )
        .unwrap();
        for more in [&[][..], &["--json"]] {
            let output = command(60, setup.dir(), &[&["check", "--config", &*config], more].concat());
            let said = output.all();
            assert!(output.code == 1 && said.contains("in the clear"), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("$2y$99"), "{said}");
        }
    });
}

#[test]
fn item_3_a_file_that_is_not_there_locks_no_one_out_of_his_address() {
    within(60, || {
        let target = Target::named("inside");
        let setup = with_file(&target, "");
        fs::remove_file(setup.dir().join("rules/users.htpasswd")).unwrap();
        let portward = setup.set("blacklist.allow", "[]").start();
        portward.line(&["the htpasswd file", "cannot be read"]);
        for _ in 0..30 {
            let answer = get(&mut portward.tls(HOST), "/files/x", &basic("one", "pa55"));
            assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("1")));
        }
        fs::write(portward.dir().join("rules/users.htpasswd"), line("one", "pa55", 4)).unwrap();
        eventually("the file is read", || {
            get(&mut portward.tls(HOST), "/files/x", &basic("one", "pa55")).status() == 200
        });
        target.connections();
    });
}

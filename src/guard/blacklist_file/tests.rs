use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::*;
use crate::accounts::Administrator;
use crate::guard::blacklist::change::Change;
use crate::guard::blacklist::entry::{Entry, Why};
use crate::guard::blacklist::removals::Removal;
use crate::guard::network::Network;
use crate::reason::Reason;

const ADMINISTRATOR: Origin = Origin::Administrator(Administrator::User { user: Some(1000) });

fn list() -> Blacklist {
    let list = Blacklist::default();
    list.apply(Change::Restore(kept()), Origin::File, 5).unwrap();
    list
}

fn who(text: &str) -> Network {
    Network::parse(text).unwrap()
}

fn kept() -> StoredList {
    let automatic = Why::Automatic { reason: Reason::UnknownHost, count: 21 };
    let manual = Why::Manual { note: "a \"note\"\n".into() };
    let entries = vec![
        Entry { who: who("192.0.2.1"), since: 1, until: None, why: manual },
        Entry { who: who("2001:db8::/64"), since: 5, until: Some(305), why: automatic.clone() },
        Entry { who: who("192.0.2.2"), since: 5, until: None, why: automatic },
    ];
    let removals = vec![
        Removal { who: Some(who("2001:db8:1::/64")), since: 2, at: 4, by: ADMINISTRATOR },
        Removal {
            who: Some(who("192.0.2.3")),
            since: 1,
            at: 3,
            by: Origin::Administrator(Administrator::User { user: None }),
        },
        Removal {
            who: Some(who("192.0.2.5")),
            since: 1,
            at: 2,
            by: Origin::Administrator(Administrator::Session {
                ip: "2001:db8::1".parse().unwrap(),
                port: 443,
            }),
        },
        Removal {
            who: Some(who("192.0.2.4")),
            since: 1,
            at: 2,
            by: Origin::Administrator(Administrator::Token { ip: [127, 0, 0, 1].into(), port: 40_000 }),
        },
        Removal { who: None, since: 1, at: 1, by: ADMINISTRATOR },
    ];
    StoredList { entries, removals }
}

/// One run of Portward: its list and the keeper of the list.
struct Run {
    list: Blacklist,
    keeper: Keeper,
    state: PathBuf,
}

type Ended = Result<Option<(Damage, PathBuf)>, NotStored>;

impl Run {
    /// A start in a folder, and the outcome of reading the file there.
    fn start(state: &Path, now: u32) -> (Self, Ended) {
        let list = Blacklist::default();
        let keeper = Keeper::new(&list);
        let mut run = Self { list, keeper, state: state.to_owned() };
        let outcome = run.keep(now);
        (run, outcome)
    }

    fn keep(&mut self, now: u32) -> Ended {
        let list = &self.list;
        let restore = |kept| {
            list.apply(Change::Restore(kept), Origin::File, now).unwrap();
        };
        self.keeper.keep(&self.state, list, now, restore)
    }

    fn add(&self, address: &str, now: u32) {
        let why = Why::Manual { note: "".into() };
        self.list
            .apply(Change::List { who: who(address), why, expiration: None }, ADMINISTRATOR, now)
            .unwrap();
    }

    fn remove(&self, address: &str, now: u32) {
        self.list.apply(Change::Remove { who: who(address) }, ADMINISTRATOR, now).unwrap();
    }

    fn kept(&self, now: u32) -> StoredList {
        StoredList { entries: self.list.page(now, None, 100).entries, removals: self.list.removals(now) }
    }

    fn lists(&self, address: &str, now: u32) -> bool {
        self.list.lists(who(address).address().unwrap(), now)
    }
}

/// What a start finds in the file.
fn found(state: &Path, now: u32) -> (StoredList, Option<Damage>) {
    let (run, outcome) = Run::start(state, now);
    (run.kept(now), outcome.unwrap().map(|(damage, _)| damage))
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    assert_eq!(found(&state, 0), (StoredList::default(), None));
    assert!(!state.exists(), "nothing has changed");
    write(&file(&state), &list(), 5).unwrap();
    assert_eq!(found(&state, 10), (kept(), None));
    assert_eq!(found(&state, 305).0.entries.len(), 2, "expired entries are not restored");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing else is left there");
}

/// Item 22: a file is damaged in several ways and places. Its good lines are in force after the first restart and after
/// the second, and the damaged file is kept beside.
#[test]
fn item_22_a_damaged_file_loses_nothing_at_two_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    write(&file(state), &list(), 5).unwrap();
    let good = fs::read_to_string(file(state)).unwrap();
    let whole: Vec<&str> = good.split_inclusive('\n').collect();
    let damages = [
        &b"\xff\xfe\n"[..],
        b"{}\n",
        b"null\n",
        b"{\"address\":\"192.0.2.9\"",
        b"{\"address\":\"192.0.2.9\",\"since\":1,\"until\":null,\"manual\":false,\"reason\":\"new\",\"count\":1}\n",
        &[b'x'; 10_000],
        &[0; 5_000],
    ];
    for damage in damages {
        for before in 0..=whole.len() {
            // Half a line stays half a line only at the end of the file.
            let end = if damage.ends_with(b"\n") || before == whole.len() { "" } else { "\n" };
            let (head, tail) = (whole[..before].concat(), whole[before..].concat());
            let damaged = [head.as_bytes(), damage, end.as_bytes(), tail.as_bytes()].concat();
            fs::write(file(state), &damaged).unwrap();
            let (run, outcome) = Run::start(state, 10);
            let (said, aside) = outcome.unwrap().unwrap();
            assert_eq!((run.kept(10), &said), (kept(), &Damage { line: before + 1, entries: 3 }));
            assert_eq!(fs::read(aside).unwrap(), damaged);
            // The process ends at once, without writing.
            drop(run);
            assert_eq!(fs::read_to_string(file(state)).unwrap(), good);
            assert_eq!(found(state, 10), (kept(), None));
        }
    }
    assert_eq!(fs::read_dir(state).unwrap().count(), 2);
}

/// A line is good although NUL octets or a byte order mark stand before it. Empty lines and other line ends are no
/// damage.
#[test]
fn item_22_what_is_good_in_a_line_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    write(&file(state), &list(), 5).unwrap();
    let good = fs::read_to_string(file(state)).unwrap();
    for (text, is_damaged) in [
        (format!("\u{feff}{good}"), true),
        (format!("\0\0\0{good}"), true),
        (format!("{good}\0\0\0"), true),
        (format!("\n{good}\n  \n"), false),
        (good.replace('\n', "\r\n"), false),
        (good.trim_end().to_owned(), false),
    ] {
        fs::write(file(state), &text).unwrap();
        let (kept_now, damage) = found(state, 10);
        assert_eq!((kept_now, damage.is_some()), (kept(), is_damaged), "{text:?}");
    }
    fs::write(file(state), "").unwrap();
    assert_eq!(found(state, 10), (StoredList::default(), None));
}

/// Item 22: a file that cannot be read is not replaced, whatever changes meanwhile. When it can be read again, its
/// entries and the changes since are in force together.
#[test]
fn item_22_what_cannot_be_read_stays_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (state, elsewhere) = (dir.path().join("state"), dir.path().join("mounted later"));
    write(&file(&state), &list(), 5).unwrap();
    let good = fs::read_to_string(file(&state)).unwrap();
    fs::rename(file(&state), dir.path().join("kept")).unwrap();
    symlink(&elsewhere, file(&state)).unwrap();
    let (mut run, outcome) = Run::start(&state, 10);
    assert!(matches!(outcome, Err(NotStored::Unread(_))));
    run.add("192.0.2.77", 11);
    run.add("192.0.2.1", 11);
    run.remove("192.0.2.1", 12);
    for _ in 0..2 {
        assert!(matches!(run.keep(12), Err(NotStored::Unread(_))));
    }
    assert!(fs::symlink_metadata(file(&state)).unwrap().is_symlink());
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);

    fs::rename(dir.path().join("kept"), &elsewhere).unwrap();
    assert_eq!(run.keep(13).unwrap(), None);
    for (address, is_listed) in
        [("192.0.2.77", true), ("192.0.2.2", true), ("2001:db8::", true), ("192.0.2.1", false)]
    {
        assert_eq!(run.lists(address, 13), is_listed, "{address}");
    }
    assert_eq!(found(&state, 13), (run.kept(13), None), "all of it is on disk");
    assert_eq!(run.kept(13).removals.len(), 6, "each trace once");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), good, "the file behind the link is unchanged");
}

/// Item 22: another process puts a file there while Portward runs (a backup, a disk that is mounted late). The file is
/// read before it is replaced. A file that was removed is written again.
#[test]
fn item_22_another_file_is_read_before_it_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (state, other) = (dir.path().join("state"), dir.path().join("other"));
    write(&file(&other), &list(), 5).unwrap();
    let (mut run, _) = Run::start(&state, 10);
    run.add("192.0.2.77", 11);
    run.keep(11).unwrap();
    fs::rename(file(&other), file(&state)).unwrap();
    run.add("192.0.2.78", 12);
    run.keep(12).unwrap();
    for address in ["192.0.2.77", "192.0.2.78", "192.0.2.1", "192.0.2.2"] {
        assert!(run.lists(address, 12), "{address}");
    }
    assert_eq!(found(&state, 12), (run.kept(12), None));
    fs::remove_file(file(&state)).unwrap();
    run.keep(13).unwrap();
    assert_eq!(found(&state, 13), (run.kept(13), None));
    // A file that is already there is left alone.
    let before = Stamp::at(&file(&state)).unwrap();
    run.keep(14).unwrap();
    assert_eq!(Stamp::at(&file(&state)).unwrap(), before);
}

/// The disk is full, or the folder cannot be written. The damaged file stays until a complete one replaces it.
#[test]
fn item_22_a_damaged_file_stays_until_it_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    write(&file(state), &list(), 5).unwrap();
    let half = [&fs::read(file(state)).unwrap(), &b"{\"addr"[..]].concat();
    fs::write(file(state), &half).unwrap();
    // A folder stands at the path for the damaged file and cannot be removed.
    let in_the_way = state.join("blacklist.jsonl.damaged");
    fs::create_dir(&in_the_way).unwrap();
    let (mut run, outcome) = Run::start(state, 10);
    assert!(matches!(outcome, Err(NotStored::Unwritten(_))));
    assert_eq!((run.kept(10), fs::read(file(state)).unwrap()), (kept(), half.clone()));
    fs::remove_dir(&in_the_way).unwrap();
    let (damage, aside) = run.keep(11).unwrap().unwrap();
    assert_eq!((damage.line, fs::read(aside).unwrap()), (9, half));
    assert_eq!(found(state, 11), (kept(), None));
}

/// A file from before traces existed is read as before. A program that knows only entries takes a trace for an entry
/// that has ended.
#[test]
fn item_7_older_files_and_older_programs_understand_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let older = "{\"address\":\"192.0.2.1\",\"since\":1,\"until\":null,\"manual\":true,\"note\":\"a \\\"note\\\"\\n\"}\n\
                 {\"address\":\"2001:db8::/64\",\"since\":5,\"until\":305,\"manual\":false,\"reason\":\"unknown-host\",\"count\":21}\n";
    fs::write(file(state), older).unwrap();
    let (back, damage) = found(state, 10);
    assert_eq!((back.entries, damage), (kept().entries[..2].to_vec(), None));

    write(&file(state), &list(), 5).unwrap();
    let text = fs::read_to_string(file(state)).unwrap();
    let traces: Vec<Value> = text.lines().skip(3).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(traces.len(), 5);
    for (trace, removal) in traces.iter().zip(kept().removals) {
        assert!(Network::parse(trace["address"].as_str().unwrap()).is_some());
        assert_eq!((&trace["since"], &trace["until"]), (&removal.since.into(), &removal.at.into()));
        assert_eq!((&trace["manual"], &trace["note"]), (&true.into(), &"".into()));
    }
    assert_eq!((&traces[0]["by"], &traces[0]["user"]), (&"administrator".into(), &1000.into()));
}

#[test]
fn item_7_the_keeper_writes_what_has_changed_and_tries_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    write(&file(&state), &list(), 5).unwrap();
    let (mut run, _) = Run::start(&state, 5);
    let before = Stamp::at(&file(&state)).unwrap();
    run.list.apply(Change::FollowClock, Origin::Guard, 6).unwrap();
    run.keep(6).unwrap();
    assert_eq!(Stamp::at(&file(&state)).unwrap(), before, "a list that was only read is not written");

    run.remove("192.0.2.1", 7);
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "in the way").unwrap();
    run.keep(7).unwrap_err();
    fs::remove_file(&state).unwrap();
    run.keep(8).unwrap();
    assert_eq!(found(&state, 8).0.entries, kept().entries[1..]);
    // More changes than are remembered count as one change.
    let who = who("192.0.2.9");
    for _ in 0..10_000 {
        let why = Why::Automatic { reason: Reason::NoPath, count: 21 };
        run.list.apply(Change::List { who, why, expiration: None }, Origin::Guard, 9).unwrap();
    }
    run.keep(9).unwrap();
    assert_eq!(found(&state, 9).0.entries.len(), 3);
    // If the clock was wrong, the restored entries have other times than the file.
    write(&file(&state), &list(), 5).unwrap();
    let before = Stamp::at(&file(&state)).unwrap();
    let (mut late, _) = Run::start(&state, 2);
    late.keep(2).unwrap();
    assert_ne!(Stamp::at(&file(&state)).unwrap(), before);
}

/// Issue 19, item 7: networks and their traces outlive a restart.
#[test]
fn item_7_networks_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let (mut run, _) = Run::start(state, 10);
    for net in ["198.51.100.0/24", "2001:db8::/32", "203.0.0.0/16"] {
        let why = Why::Manual { note: net.into() };
        let change = Change::List { who: who(net), why, expiration: None };
        run.list.apply(change, ADMINISTRATOR, 10).unwrap();
    }
    run.list.apply(Change::Remove { who: who("203.0.0.0/16") }, ADMINISTRATOR, 11).unwrap();
    run.keep(11).unwrap();
    let (again, outcome) = Run::start(state, 12);
    assert!(outcome.unwrap().is_none());
    assert_eq!(again.kept(12), run.kept(12));
    assert!(again.list.lists(who("198.51.100.9").address().unwrap(), 12));
    assert!(!again.list.lists(who("203.0.113.9").address().unwrap(), 12));
    assert_eq!(again.list.removals(12)[0].who, Some(who("203.0.0.0/16")));
}

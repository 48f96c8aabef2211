use super::*;
use crate::guard::blacklist::change::Change;

const ADMINISTRATOR: Origin = Origin::Administrator { user: Some(1000) };

fn list() -> Blacklist {
    let list = Blacklist::default();
    list.apply(Change::Restore(kept()), Origin::File, 5).unwrap();
    list
}

fn who(text: &str) -> Counted {
    Counted::parse(text).unwrap()
}

fn kept() -> Kept {
    let automatic = Why::Automatic { reason: Reason::UnknownHost, count: 21 };
    let manual = Why::Manual { note: "a \"note\"\n".into() };
    let entries = vec![
        Entry { who: who("192.0.2.1"), since: 1, until: None, why: manual },
        Entry { who: who("2001:db8::/64"), since: 5, until: Some(305), why: automatic.clone() },
        Entry { who: who("192.0.2.2"), since: 5, until: None, why: automatic },
    ];
    let removals = vec![
        Removal { who: Some(who("2001:db8:1::/64")), since: 2, at: 4, by: ADMINISTRATOR },
        Removal { who: Some(who("192.0.2.3")), since: 1, at: 3, by: Origin::Administrator { user: None } },
        Removal { who: None, since: 1, at: 1, by: ADMINISTRATOR },
    ];
    Kept { entries, removals }
}

#[test]
fn what_is_written_is_read() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("state");
    assert_eq!(read(&folder, 0).kept, Kept::default());
    write(&folder, &list(), 5).unwrap();
    let Read { kept: back, warning } = read(&folder, 10);
    assert_eq!((back, warning), (kept(), None));
    assert_eq!(read(&folder, 305).kept.entries.len(), 2, "what has expired is left behind");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
}

#[test]
fn a_damaged_file_is_set_aside() {
    let state = tempfile::tempdir().unwrap();
    write(state.path(), &list(), 5).unwrap();
    let path = file(state.path());
    let good = fs::read(&path).unwrap();
    for damage in [&b"\xff\xfe\n"[..], b"{}\n", b"{\"address\":\"192.0.2.9\"", &[b'x'; 10_000]] {
        fs::write(&path, [&good, damage].concat()).unwrap();
        let Read { kept: back, warning } = read(state.path(), 10);
        assert_eq!(back, kept());
        assert!(warning.unwrap().contains("damaged in line 7; it was set aside"));
        assert!(!path.exists() && path.with_extension("jsonl.damaged").exists());
    }
}

/// A file as it was before there were traces means what it meant; and whoever knows entries only takes a trace for one
/// that has ended.
#[test]
fn item_7_older_files_and_older_programs_understand_each_other() {
    let state = tempfile::tempdir().unwrap();
    let older = "{\"address\":\"192.0.2.1\",\"since\":1,\"until\":null,\"manual\":true,\"note\":\"a \\\"note\\\"\\n\"}\n\
                 {\"address\":\"2001:db8::/64\",\"since\":5,\"until\":305,\"manual\":false,\"reason\":\"unknown-host\",\"count\":21}\n";
    fs::write(file(state.path()), older).unwrap();
    let Read { kept: back, warning } = read(state.path(), 10);
    assert_eq!((back.entries, warning), (kept().entries[..2].to_vec(), None));

    write(state.path(), &list(), 5).unwrap();
    let text = fs::read_to_string(file(state.path())).unwrap();
    let traces: Vec<Value> = text.lines().skip(3).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(traces.len(), 3);
    for (trace, removal) in traces.iter().zip(kept().removals) {
        assert!(Counted::parse(trace["address"].as_str().unwrap()).is_some());
        assert_eq!((&trace["since"], &trace["until"]), (&removal.since.into(), &removal.at.into()));
        assert_eq!((&trace["manual"], &trace["note"]), (&true.into(), &"".into()));
    }
    assert_eq!((&traces[0]["by"], &traces[0]["user"]), (&"administrator".into(), &1000.into()));
}

#[test]
fn item_7_the_keeper_writes_what_has_changed_and_tries_again() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("state");
    let list = Blacklist::default();
    let mut keeper = Keeper::new(&list);
    let written = || fs::exists(file(&folder)).unwrap();
    list.apply(Change::Restore(kept()), Origin::File, 5).unwrap();
    list.apply(Change::FollowClock, Origin::Guard, 6).unwrap();
    keeper.keep(&folder, &list, 6).unwrap();
    assert!(!written(), "what was read is not written");

    list.apply(Change::Remove { who: who("192.0.2.1") }, ADMINISTRATOR, 7).unwrap();
    fs::write(&folder, "in the way").unwrap();
    keeper.keep(&folder, &list, 7).unwrap_err();
    fs::remove_file(&folder).unwrap();
    keeper.keep(&folder, &list, 8).unwrap();
    assert_eq!(read(&folder, 8).kept.entries, kept().entries[1..]);
    // More changes than are remembered are a change.
    fs::remove_file(file(&folder)).unwrap();
    let who = who("192.0.2.9");
    for _ in 0..10_000 {
        let why = Why::Automatic { reason: Reason::NoPath, count: 21 };
        list.apply(Change::List { who, why, expiration: None }, Origin::Guard, 9).unwrap();
    }
    keeper.keep(&folder, &list, 9).unwrap();
    assert_eq!(read(&folder, 9).kept.entries.len(), 3);
    // Where the clock was wrong, what was read has other times than the file.
    fs::remove_file(file(&folder)).unwrap();
    let late = Blacklist::default();
    let mut keeper = Keeper::new(&late);
    late.apply(Change::Restore(kept()), Origin::File, 2).unwrap();
    keeper.keep(&folder, &late, 2).unwrap();
    assert!(written());
}

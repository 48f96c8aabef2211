//! A long blacklist is read in pages and disturbs nothing. A clock that was set back lengthens no entry (items 35 and
//! 38).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{address, is_served, judged, rules};
use crate::harness::{Portward, ServiceManager, command, eventually, within};

/// The number of entries: forty pages of the list.
const LONG: usize = 40_000;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Writes a blacklist file in Portward's format.
fn keep(state: &Path, entries: impl Iterator<Item = (String, u64, Option<u64>)>) {
    let mut text = String::new();
    for (address, since, until) in entries {
        let until = until.map_or("null".to_owned(), |until| until.to_string());
        text += &format!(
            "{{\"address\":\"{address}\",\"since\":{since},\"until\":{until},\"manual\":false,\
             \"reason\":\"unknown-host\",\"count\":21}}\n"
        );
    }
    std::fs::create_dir_all(state).unwrap();
    std::fs::write(state.join("blacklist.jsonl"), text).unwrap();
}

/// Answer of the admin socket.
fn get(portward: &Portward, path: &str) -> (String, Value) {
    let mut socket = UnixStream::connect(portward.dir().join("portward.sock")).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: portward\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn item_35_eight_readers_of_a_long_list_disturb_nothing() {
    within(110, || {
        let manager = ServiceManager::start();
        manager.watch(2_000_000);
        let setup = judged(&rules(9, 9, 9, 9)).under(&manager);
        let listed = |number: usize| format!("100.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
        keep(&setup.dir().join("state"), (0..LONG).map(|number| (listed(number), now() - 5, None)));
        let portward = setup.start();
        eventually("the socket is there", || portward.dir().join("portward.sock").exists());
        let before = portward.memory("VmHWM:");
        let config = portward.config().display().to_string();
        thread::scope(|scope| {
            let args = ["blacklist", "list", "--limit", "2000000", "--config", &config];
            let dir = portward.dir();
            let readers: Vec<_> = (0..8).map(|_| scope.spawn(move || command(100, dir, &args))).collect();
            // Meanwhile signals are obeyed and the watchdog is fed.
            let mark = portward.mark();
            portward.hang_up();
            portward.line_after(mark, &["reloaded: "]);
            for reader in readers {
                let list = reader.join().unwrap();
                assert_eq!((list.code, list.out.lines().count()), (0, LONG), "{}", list.errors);
                assert!(list.out.starts_with("100.0.0.0 "), "the latest first");
            }
        });
        let grown = portward.memory("VmHWM:") - before;
        println!("{grown} KiB for eight readers");
        assert!(grown < 16 * 1024, "{grown} KiB for eight readers");
        portward.assert_alive();
    });
}

#[test]
fn item_35_a_list_comes_in_pages() {
    within(60, || {
        let setup = judged(&rules(9, 9, 9, 9));
        let listed = |number: usize| format!("100.64.{}.{}", number >> 8, number & 255);
        keep(&setup.dir().join("state"), (0..2_345).map(|number| (listed(number), now() - 5, None)));
        let portward = setup.start();
        eventually("the socket is there", || portward.dir().join("portward.sock").exists());
        for (query, entries) in
            [("", 100), ("?limit=7", 7), ("?limit=1000", 1_000), ("?limit=2000000", 1_000)]
        {
            let (status, page) = get(&portward, &format!("/v1/blacklist{query}"));
            assert_eq!((status.as_str(), &page["count"]), ("200", &2_345.into()), "{query}");
            assert_eq!(page["entries"].as_array().unwrap().len(), entries, "{query}");
            assert!(page["next"].is_string(), "{query}");
        }
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let (_, page) = get(&portward, &format!("/v1/blacklist?limit=500{after}"));
            found
                .extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["address"].to_string()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(found, (0..2_345).map(|number| format!("{:?}", listed(number))).collect::<Vec<_>>());
        for query in ["?limit=0", "?limit=-1", "?limit=x", "?after=x", "?after=m"] {
            let (status, answer) = get(&portward, &format!("/v1/blacklist{query}"));
            assert_eq!(status, "400", "{query}: {answer}");
        }

        // The command shows one page, and says how many more entries there are.
        let config = portward.config().display().to_string();
        let list = |args: &[&str]| {
            command(60, portward.dir(), &[&["blacklist", "list", "--config", &config], args].concat())
        };
        let some = list(&["--limit", "1500"]).out;
        assert_eq!(some.lines().count(), 1_501);
        assert!(some.ends_with("and 845 more: --limit 2345\n"), "{some}");
        assert_eq!(list(&["--limit", "5000"]).out.lines().count(), 2_345);
        for (limit, entries) in [("5000", 2_345), ("1500", 1_500), ("3", 3)] {
            let json: Value = serde_json::from_str(&list(&["--json", "--limit", limit]).out).unwrap();
            assert_eq!(json["entries"].as_array().unwrap().len(), entries, "{limit}");
            assert_eq!(json["count"], 2_345, "{limit}");
        }
    });
}

#[test]
fn item_38_an_entry_from_the_future_lasts_as_long_as_it_was_meant_to() {
    within(60, || {
        let setup = judged(&rules(9, 9, 9, 9));
        // The clock is ten years ahead, as with a replaced battery. The entries last two seconds and an hour.
        let future = now() + 315_360_000;
        let [short, long] = [1, 2].map(|number| address(number).to_string());
        let entries = [(short, future, Some(future + 2)), (long, future, Some(future + 3_600))];
        keep(&setup.dir().join("state"), entries.into_iter());
        let portward = setup.start();
        assert!(!is_served(&portward, address(2)));
        eventually("two seconds are two seconds", || is_served(&portward, address(1)));
        assert!(!is_served(&portward, address(2)));
        let config = portward.config().display().to_string();
        let json = command(20, portward.dir(), &["blacklist", "--json", "--config", &config]).out;
        let json: Value = serde_json::from_str(&json).unwrap();
        let until = json["entries"][0]["until"].as_u64().unwrap();
        assert!(until <= now() + 3_600, "{json}");
    });
}

//! Reloads: checks are added, changed and removed. Unchanged ones keep their rhythm.

use std::thread;
use std::time::{Duration, Instant};

use super::{becomes, changes, ip, state_of, target};
use crate::harness::{Portward, eventually, ok, within};

#[test]
fn a_reload_adds_changes_and_removes_checks_and_leaves_the_others_alone() {
    within(110, || {
        let web = |conn: &mut crate::harness::Conn| {
            while let Some(request) = conn.try_request() {
                let gone = request.target() == "/gone";
                let _ = conn.try_send(if gone {
                    b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec()
                } else {
                    ok("here")
                });
            }
        };
        let (one, other) = (target(101, None, web), target(102, None, web));
        let rules = |check: &str| {
            format!(
                "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\nhttp = [{{ path = \"\", tcp = {2} }}]\n\
                 [[host]]\nname = \"other.example.net\"\ntarget = \"{1}\"\nhttp = [{{ path = \"\", tcp = {3} }}]\n\
                 [target.\"{0}\"]\nfailback = \"5s\"\n{check}\n[target.\"{1}\"]\ncheck = \"tcp\"\ncheck_interval = \"2s\"\n",
                ip(101),
                ip(102),
                one.port(),
                other.port()
            )
        };
        let portward = Portward::with_rules(&rules(""));
        let (address, others) =
            (format!("{}:{}", ip(101), one.port()), format!("{}:{}", ip(102), other.port()));
        becomes(&portward, &others, "up");
        let reload = |check: &str| {
            portward.write_rules(&rules(check));
            let mark = portward.mark();
            portward.hang_up();
            portward.line_after(mark, &["reloaded"]);
        };
        assert_eq!((one.connections(), &state_of(&portward, &address)["checked"]), (0, &false.into()));
        reload("check = \"http\"\ncheck_interval = \"1s\"");
        becomes(&portward, &address, "up");
        assert_eq!(state_of(&portward, &address)["checked"], true);
        reload("check = \"http\"\ncheck_interval = \"1s\"\ncheck_path = \"/gone\"\nfall = 1");
        becomes(&portward, &address, "down");
        reload("");
        eventually("it is not checked any more", || state_of(&portward, &address)["checked"] == false);
        assert_eq!(state_of(&portward, &address)["state"], "unknown");
        eventually("it is told", || changes(&portward, &address).len() == 3);

        // Many reloads: the unchanged check runs as often as before, neither more nor less.
        let (before, begin) = (other.connections(), Instant::now());
        for _ in 0..16 {
            reload("");
            thread::sleep(Duration::from_millis(350));
        }
        let (asked, time) = (other.connections() - before, begin.elapsed().as_secs_f64());
        println!("asked {asked} times in {time:.1} s");
        assert!((asked as f64 - time / 2.0).abs() <= 2.0, "asked {asked} times in {time:.1} s");
        assert_eq!(changes(&portward, &others).len(), 1);
    });
}

/// An outage is noticed although the rules are reloaded all the time: a reload does not reset a count.
#[test]
fn reloads_do_not_keep_an_outage_from_being_noticed() {
    within(110, || {
        let away = target(103, None, |conn| drop(conn.some()));
        let address = format!("{}:{}", ip(103), away.port());
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\nhttp = [{{ path = \"\", tcp = {1} }}]\n\
             [target.\"{0}\"]\ncheck = \"http\"\ncheck_interval = \"1s\"\nfall = 3\n",
            ip(103),
            away.port()
        );
        let portward = Portward::with_rules(&rules);
        let end = Instant::now() + Duration::from_secs(20);
        while state_of(&portward, &address)["state"] != "down" {
            assert!(Instant::now() < end, "it is not noticed");
            portward.hang_up();
            thread::sleep(Duration::from_millis(500));
        }
    });
}

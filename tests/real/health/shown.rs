//! The places that show the state of a target: the log, `portward targets`, `/v1/targets`, `/metrics`, `explain
//! --live`.

use super::{becomes, changes, ip, state_of, target};
use crate::harness::{Portward, command, curl, eventually, free_port, ok, within};

#[test]
fn a_state_is_shown_everywhere_and_as_a_metric_only_where_there_is_a_check() {
    within(60, || {
        let web = target(111, None, |conn| {
            while conn.try_request().is_some() {
                conn.send(ok("here"));
            }
        });
        let dead = free_port();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\nhttp = [{{ path = \"\", tcp = {2} }}, {{ path = \"/dead\", tcp = {3} }}]\n\
             [[host]]\nname = \"two.example.net\"\ntarget = \"{1}\"\nhttp = [{{ path = \"\", tcp = {3} }}]\n\
             [target.\"{0}\"]\ncheck = \"http\"\ncheck_interval = \"1s\"\nfall = 2\n",
            ip(111),
            ip(112),
            web.port(),
            dead
        );
        let portward = Portward::with_rules(&rules);
        let [up, down, unchecked] =
            [(111, web.port()), (111, dead), (112, dead)].map(|(last, port)| format!("{}:{port}", ip(last)));
        assert_eq!(portward.plain().get("two.example.net", "/").status(), 502);
        for (address, state, is_checked, why) in [
            (&up, "up", true, None),
            (&down, "down", true, Some("refused")),
            (&unchecked, "down", false, Some("refused")),
        ] {
            becomes(&portward, address, state);
            let seen = state_of(&portward, address);
            assert_eq!((&seen["checked"], seen["why"].as_str()), (&is_checked.into(), why), "{seen}");
            assert!(seen["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{seen}");
            eventually("it is in the log", || changes(&portward, address).len() == 1);
            let line = &changes(&portward, address)[0];
            let expected = why.map_or(format!("is {state}"), |why| format!("is {state}: {why}"));
            assert!(line.contains(&expected), "{line}");
        }
        let config = portward.config().display().to_string();
        let said = |args: &[&str]| command(20, portward.dir(), &[args, &["--config", &config]].concat());
        let table = said(&["targets"]).out;
        for (address, expected) in
            [(&up, ["up", "yes"]), (&down, ["down", "yes"]), (&unchecked, ["down", "no"])]
        {
            let line = table
                .lines()
                .find(|line| line.contains(address.as_str()))
                .unwrap_or_else(|| panic!("{table}"));
            let cells: Vec<_> = line.split_whitespace().skip(2).take(2).collect();
            assert_eq!(cells, expected, "{line}");
        }
        let socket = portward.dir().join("portward.sock").display().to_string();
        let metrics = curl(&["--silent", "--unix-socket", &socket, "http://portward/metrics"]).out;
        assert!(metrics.contains(&format!("portward_target_up{{target=\"{up}\"}} 1\n")), "{metrics}");
        assert!(metrics.contains(&format!("portward_target_up{{target=\"{down}\"}} 0\n")), "{metrics}");
        assert!(!metrics.contains(&unchecked), "{metrics}");
        for (url, state) in [("http://one.example.net/", "up"), ("http://two.example.net/", "down")] {
            let explained = said(&["explain", "--live", url]).out;
            assert!(explained.contains(state), "{url}: {explained}");
        }
    });
}

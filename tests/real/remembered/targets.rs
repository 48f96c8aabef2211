//! `/v1/targets` and `portward targets`.

use serde_json::{Value, json};

use super::{get, refused, start};
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Output, Portward, Target, Wire, command, eventually, free_port, ok, within};

fn targets(portward: &Portward, args: &[&str]) -> Output {
    let config = portward.config();
    command(20, portward.dir(), &[&["targets", "--config", config.to_str().unwrap()], args].concat())
}

fn list(portward: &Portward, query: &str) -> Vec<Value> {
    get(portward, &format!("targets?{query}"))["targets"].as_array().unwrap().clone()
}

fn one(portward: &Portward, target: &str) -> Value {
    let all = list(portward, "");
    all.iter().find(|one| one["target"] == target).unwrap_or_else(|| panic!("{target}: {all:?}")).clone()
}

/// Item 3, targets: every address and port of the rules, with its figures.
#[test]
fn every_target_stands_there_with_its_state_times_and_failures() {
    within(120, || {
        // The target counts its connections, and answers every request except the one for /slow.
        let web = Target::http(|_, _| ok("web"));
        let phone = pbx("one");
        let dead = free_port();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {} }}, \
             {{ path = \"/dead\", tcp = {dead} }}]\nsip = {{ tcp = {}, tls = false }}\n\n\
             [[host]]\nname = \"two.example.net\"\ntarget = \"does-not-exist.invalid\"\nhttp = [{{ path = \"/\", tcp = 8080 }}]\n",
            web.port(),
            phone.port()
        );
        let portward = start(Portward::rules(&rules).listen("sip"));
        let (web, phone, dead) =
            [web.port(), phone.port(), dead].map(|port| format!("127.0.0.1:{port}")).into();
        for (target, services) in [(&web, ["http"]), (&phone, ["sip"]), (&dead, ["http"])] {
            let fresh = one(&portward, target);
            assert_eq!(
                (&fresh["state"], &fresh["since"], &fresh["why"]),
                (&"unknown".into(), &Value::Null, &Value::Null)
            );
            assert_eq!((&fresh["services"], &fresh["carriers"]), (&json!(services), &json!(["tcp"])));
            assert_eq!(
                (&fresh["address"], &fresh["hosts"]),
                (&"127.0.0.1".into(), &json!(["one.example.net"]))
            );
            assert_eq!((&fresh["opened"], &fresh["connect"]["recent"]), (&0.into(), &Value::Null), "{fresh}");
        }
        let mut client = portward.plain();
        for _ in 0..4 {
            assert_eq!(client.get("one.example.net", "/a").status(), 200);
        }
        for _ in 0..2 {
            assert_eq!(portward.plain().get("one.example.net", "/dead").status(), 502);
        }
        let mut sip = Wire::plain(portward.port("sip"));
        sip.send(request("REGISTER", "ckl@one.example.net", ""));
        assert_eq!(next_message(&mut sip).unwrap().status(), 200);

        let seen = one(&portward, &web);
        assert_eq!(
            (&seen["state"], &seen["opened"], &seen["open"]),
            (&"up".into(), &1.into(), &1.into()),
            "{seen}"
        );
        assert_eq!(
            (&seen["connect"]["count"], &seen["first_byte"]["count"]),
            (&1.into(), &4.into()),
            "{seen}"
        );
        for time in ["recent", "longest", "sum"] {
            let seconds = seen["first_byte"][time].as_f64().unwrap();
            assert!(seconds > 0.0 && seconds < 30.0, "{time}: {seen}");
        }
        assert!(seen["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{seen}");
        let seen = one(&portward, &dead);
        assert_eq!((&seen["state"], &seen["why"]), (&"down".into(), &"refused".into()), "{seen}");
        assert_eq!((&seen["failures"], &seen["opened"]), (&json!({ "refused": 2 }), &0.into()), "{seen}");
        assert_eq!(seen["last_failure"]["cause"], "refused");
        assert!(seen["last_failure"]["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{seen}");
        let seen = one(&portward, &phone);
        assert_eq!(
            (&seen["state"], &seen["open"], &seen["first_byte"]["count"]),
            (&"up".into(), &1.into(), &1.into()),
            "{seen}"
        );
        drop(sip);
        eventually("the phone has left", || one(&portward, &phone)["open"] == 0);
        eventually("the name was asked for", || {
            one(&portward, "does-not-exist.invalid:8080")["state"] == "down"
        });
        let seen = one(&portward, "does-not-exist.invalid:8080");
        assert_eq!(
            (&seen["address"], &seen["names"]),
            (&Value::Null, &json!(["does-not-exist.invalid"])),
            "{seen}"
        );
        assert!(["name-not-found", "dns-failed"].contains(&seen["why"].as_str().unwrap()), "{seen}");
        filters_and_commands(&portward, [&web, &phone, &dead]);
    });
}

fn filters_and_commands(portward: &Portward, [web, phone, dead]: [&String; 3]) {
    let names = |query: &str| -> Vec<String> {
        list(portward, query).iter().map(|one| one["target"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("host=two.example.net"), ["does-not-exist.invalid:8080"]);
    assert_eq!(names("host=TWO.example.net."), ["does-not-exist.invalid:8080"]);
    assert_eq!(names("host=three.example.net"), [""; 0]);
    assert_eq!(&names("state=down"), &[dead.clone(), "does-not-exist.invalid:8080".to_owned()]);
    assert_eq!(names("state=down&host=one.example.net"), [dead.as_str()]);
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(portward, &format!("targets?limit=1{after}"));
        paged.push(page["targets"][0]["target"].as_str().unwrap().to_owned());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(paged, names(""));
    assert_eq!(paged.len(), 4);
    for (query, why) in [
        ("state=broken", "`state`: \"broken\" is not a state; possible: up, down, unknown"),
        ("after=x", "`after`: \"x\" is not what `next` was"),
        ("host=a..b", "`host` is not a host name: "),
        ("target=x", "there is no parameter `target` here; possible: host, state, limit, after"),
    ] {
        let said = refused(portward, &format!("targets?{query}"));
        assert!(said.starts_with(why), "{said}");
    }
    let output = targets(portward, &[]);
    assert_eq!(output.code, 1, "a target is down: {output:?}");
    for text in
        ["TARGET", web.as_str(), phone.as_str(), "up", "down", "refused", "one.example.net", "http/tcp"]
    {
        assert!(output.out.contains(text), "{text}: {output:?}");
    }
    assert!(!output.out.contains('\u{1b}'), "no colours but on a terminal: {output:?}");
    let output = targets(portward, &["--state", "up", "--json"]);
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((output.code, &json["count"]), (0, &2.into()), "{output:?}");
    let output = targets(portward, &["--host", "nobody.example"]);
    assert_eq!((output.code, output.out.trim()), (0, "no such target is in the rules"));
    assert_eq!(targets(portward, &["--state", "broken"]).code, 2);
}

/// Item 3, targets: an address that leaves the rules is gone, and a new one is there at once.
#[test]
fn targets_follow_the_rules() {
    within(60, || {
        let web = Target::named("web");
        let rules = |port: u16| {
            format!(
                "[[host]]\nname = \"a.example\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {port} }}]\n"
            )
        };
        let portward = start(Portward::rules(&rules(web.port())));
        assert_eq!(portward.plain().get("a.example", "/").status(), 200);
        assert_eq!(list(&portward, "state=up").len(), 1);
        portward.write_rules(&rules(9));
        portward.hang_up();
        eventually("the reload is done", || list(&portward, "")[0]["target"] == "127.0.0.1:9");
        assert_eq!(list(&portward, "").len(), 1);
        assert_eq!(list(&portward, "")[0]["state"], "unknown");
    });
}

//! What an administrator sees and does over the socket: live connections, ending one, a reload (contract section 8).

use std::io::Read as _;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Conn, Portward, Setup, Target, Wire, curl, eventually, ok, within};

fn rules(http: u16, sip: u16) -> String {
    format!(
        "[[host]]\nname = \"*.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {http} }}]\n\
         sip = {{ tcp = {sip}, tls = false }}\n"
    )
}

fn start(setup: Setup) -> Portward {
    let portward = setup.listen("sip").listen("sips").set("log.ended", "\"all\"").start();
    eventually("it listens", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
    portward
}

/// The status and the JSON of an answer.
fn ask(portward: &Portward, method: &str, resource: &str) -> (String, Value) {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let url = format!("http://portward/v1/{resource}");
    let said = curl(&["--unix-socket", &socket, "-X", method, "-w", "%{http_code}", &url]).out;
    let (json, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), serde_json::from_str(json).unwrap())
}

fn connections(portward: &Portward, query: &str) -> Vec<Value> {
    let (status, json) = ask(portward, "GET", &format!("connections?{query}"));
    assert_eq!(status, "200", "{json}");
    json["connections"].as_array().unwrap().clone()
}

/// Answers the first request whole, and the second one by half.
fn halting(conn: &mut Conn) {
    conn.request();
    conn.send(ok("whole"));
    while conn.try_request().is_some() {
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    }
}

#[test]
fn item_6_live_connections_are_shown_and_ended() {
    within(90, || {
        let (web, phone) = (Target::scripted(halting), pbx("one"));
        let portward = start(Portward::rules(&rules(web.port(), phone.port())));
        let mut sip = Wire::tls(portward.port("sips"), "one.example.net");
        sip.send(request("REGISTER", "ckl@one.example.net", ""));
        assert_eq!(next_message(&mut sip).unwrap().status(), 200);
        let mut http = portward.plain();
        assert_eq!(http.get("two.example.net", "/a").text(), "whole");
        let idle = portward.plain();

        let all = connections(&portward, "");
        assert_eq!(all.len(), 3, "{all:?}");
        let [phone_line] = &connections(&portward, "service=sip")[..] else { panic!("{all:?}") };
        for (field, value) in [
            ("client", "127.0.0.1"),
            ("service", "sip"),
            ("carrier", "tls"),
            ("identity", "ckl@one.example.net"),
            ("host", "*.example.net"),
            ("target", &format!("127.0.0.1:{}", phone.port())),
        ] {
            assert_eq!(phone_line[field], value, "{phone_line}");
        }
        assert!(phone_line["rule"].as_str().unwrap().ends_with(".toml:2"), "{phone_line}");
        assert!(phone_line["bytes"]["up"].as_u64() > Some(100), "{phone_line}");
        assert!(phone_line["bytes"]["down"].as_u64() > Some(100), "{phone_line}");
        let web_line = &connections(&portward, "host=two.example.net&client=127.0.0.1")[..];
        assert_eq!((web_line.len(), &web_line[0]["requests"]), (1, &1.into()), "{web_line:?}");
        assert_eq!(connections(&portward, "host=three.example.net").len(), 0);
        let (_, page) = ask(&portward, "GET", "connections?limit=2");
        let rest = connections(&portward, &format!("after={}", page["next"].as_str().unwrap()));
        assert_eq!((page["connections"].as_array().unwrap().len(), rest.len()), (2, 1), "{page}");
        for (query, status) in [("limit=0", "400"), ("service=x", "400"), ("client=x", "400")] {
            assert_eq!(ask(&portward, "GET", &format!("connections?{query}")).0, status, "{query}");
        }

        // A relay is ended in order, a response in its middle by a reset, and an idle connection at once.
        let id = |line: &Value| line["id"].as_u64().unwrap();
        let end = |id: u64| ask(&portward, "DELETE", &format!("connections/{id}")).0;
        assert_eq!(ask(&portward, "GET", &format!("connections/{}", id(phone_line))).1, *phone_line);
        assert_eq!(end(id(phone_line)), "200");
        assert_eq!(sip.read(&mut [0; 16]).unwrap(), 0, "an end, not a reset, and not an end amid TLS");
        eventually("the PBX sees the end", || phone.closed(0));
        portward.line(&["REVERSE-PROXY", "ended by ourselves in relay: "]);
        portward.line(&[&format!("ends connection {} of 127.0.0.1", id(phone_line))]);

        http.send("GET /b HTTP/1.1\r\nHost: two.example.net\r\n\r\n");
        assert_eq!(http.head().status(), 200);
        assert_eq!(http.exactly(4), b"half");
        assert_eq!(end(id(&web_line[0])), "200");
        assert!(http.read(&mut [0; 16]).is_err(), "what is not whole does not look as if it were");

        let [last] = &connections(&portward, "")[..] else { panic!("two are left") };
        assert_eq!(end(id(last)), "200");
        let mut idle = idle;
        eventually("the idle one is closed", || idle.is_closed());
        portward.line(&["ended by ourselves in ask: "]);
        assert_eq!((end(id(last)), end(1_000_000)), ("404".to_owned(), "404".to_owned()));
        eventually("none is left", || connections(&portward, "").is_empty());
    });
}

#[test]
fn item_6_a_reload_over_the_socket_says_what_changed() {
    within(60, || {
        let portward = start(Portward::rules(&rules(9, 9)));
        let more = "[[host]]\nname = \"new.example.net\"\ntarget = \"127.0.0.1\"\nldap = true\n";
        portward.write_rules(&(rules(9, 10) + more));
        let (status, said) = ask(&portward, "POST", "reload");
        assert_eq!((status.as_str(), &said["hosts"]["count"]), ("200", &2.into()), "{said}");
        assert_eq!(said["hosts"]["added"]["names"][0], "new.example.net", "{said}");
        assert_eq!(said["hosts"]["changed"]["names"][0], "*.example.net", "{said}");
        assert_eq!(said["hosts"]["removed"]["count"], 0, "{said}");
        portward.line(&["asks for a reload"]);
        portward.line(&["reloaded: 2 hosts"]);

        portward.write_rules("[[host]]\nname = 7\n");
        let (status, said) = ask(&portward, "POST", "reload");
        assert_eq!(status, "422", "{said}");
        assert!(said["error"].as_str().unwrap().contains(".toml:2:"), "{said}");
        assert!(!said["diagnostics"].is_null(), "{said}");
        portward.line(&["reload refused: everything stays as it was"]);
        assert_eq!(ask(&portward, "GET", "reload").0, "405");

        // SIGHUP does the same.
        portward.write_rules(&rules(9, 9));
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["reloaded: 1 hosts"]);
    });
}

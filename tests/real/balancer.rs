//! Peers in `forwarded_from`: balancers that speak for many clients on one connection (contract sections 1, 3, 6).

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Message, Portward, Target, Wire, ok, within};

fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {port} }}]\n"
    )
}

fn behind(port: u16) -> Portward {
    Portward::rules(&rules(port))
        .set("listen.forwarded_from", "[\"127.0.0.1\"]")
        .set("blacklist.block", "[\"203.0.113.0/24\"]")
        .one_worker()
        .start()
}

fn ask(wire: &mut Wire, client: &str, request: &str, more: &str) -> Message {
    let (start, body) = request.split_once('|').unwrap_or((request, ""));
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    wire.ask(format!("{start} HTTP/1.1\r\nX-Forwarded-For: {client}\r\n{length}{more}\r\n{body}"))
}

#[test]
fn item_31_a_balancer_is_answered_and_stays() {
    within(60, || {
        let target = Target::named("here");
        let portward = behind(target.port());
        let mut wire = portward.plain();
        let good = "Host: one.example.net\r\n";
        for (client, request, host, status) in [
            ("192.0.2.1", "GET /open", good, 200),
            ("192.0.2.1", "GET /x", "Host: other.example.net\r\n", 421),
            ("203.0.113.9", "GET /open", good, 403),
            ("192.0.2.1", "GET /a/../open", good, 400),
            ("192.0.2.1", "POST /nowhere|a body", good, 404),
            ("203.0.113.9", "PUT /open|another body", good, 403),
            ("192.0.2.1", "GET /open", good, 200),
        ] {
            let answer = ask(&mut wire, client, request, host);
            assert_eq!(answer.status(), status, "{client} {request}: {answer:?}");
            assert_eq!(answer.header("connection"), None, "{client} {request}: {answer:?}");
        }
        // Twenty-one refusals of one client list that client only.
        for number in 0..21 {
            assert_eq!(ask(&mut wire, "192.0.2.2", &format!("GET /{number}"), good).status(), 404);
        }
        portward.line(&["192.0.2.2 blacklisted for 5m"]);
        assert_eq!(ask(&mut wire, "192.0.2.2", "GET /open", good).status(), 403);
        assert_eq!(ask(&mut wire, "192.0.2.3", "GET /open", good).status(), 200);
        // An invalid body ends the connection, with an answer.
        let mut broken = portward.plain();
        broken.send(format!("POST /open HTTP/1.1\r\n{good}Transfer-Encoding: chunked\r\n\r\nx\r\n"));
        assert_eq!(broken.response().status(), 400);
        // Octets that are no request end the connection, with an answer.
        wire.send("nonsense\r\n\r\n");
        assert_eq!(wire.response().status(), 400);
        assert_eq!(wire.rest(), b"");
    });
}

#[test]
fn item_14_ports_and_brackets_in_the_list() {
    within(60, || {
        let target = Target::named("here");
        let portward = behind(target.port());
        let good = "Host: one.example.net\r\n";
        for blocked in
            ["203.0.113.9:4711", "[::ffff:203.0.113.9]:1", "192.0.2.1, 203.0.113.9:1, 127.0.0.1:80"]
        {
            assert_eq!(ask(&mut portward.plain(), blocked, "GET /open", good).status(), 403, "{blocked}");
        }
        let forwarded = |value: &str| {
            let request =
                format!("GET /open HTTP/1.1\r\nHost: one.example.net\r\nForwarded: {value}\r\n\r\n");
            portward.plain().ask(request).status()
        };
        assert_eq!(forwarded("for=\"203.0.113.9:4711\";proto=https"), 403);
        assert_eq!(forwarded("for=203.0.113.9, for=\"[2001:db8::1]:1\""), 200);
        // A field in which the client has left a quote open, with the balancer's own addition.
        for sent in ["for=\"", "for=192.0.2.1;x=\"", "for=192.0.2.1;x=\"\\\"", "for=192.0.2.1;x=\"\\"] {
            assert_eq!(forwarded(&format!("{sent}, for=203.0.113.9;proto=https")), 403, "{sent}");
            assert_eq!(forwarded(&format!("{sent}, for=\"203.0.113.9:1\"")), 403, "{sent}");
        }
        assert_eq!(ask(&mut portward.plain(), "[2001:db8::7]:443", "GET /open", good).status(), 200);
        portward.decision(&[" 2001:db8::7 "]).contains("GET /open").then_some(()).unwrap();
    });
}

#[test]
fn item_34_a_login_of_the_connection_is_one_clients() {
    within(60, || {
        for scheme in ["NTLM", "Negotiate", "Nego2", "Kerberos", "X-Unheard"] {
            let logged_in = AtomicUsize::new(usize::MAX);
            let target = Target::http(move |request, number| {
                if request.header("authorization").is_some() {
                    logged_in.store(number, Ordering::SeqCst);
                }
                ok(if logged_in.load(Ordering::SeqCst) == number { "alice" } else { "nobody" })
            });
            let portward = behind(target.port());
            let mut wire = portward.plain();
            let good = "Host: one.example.net\r\n";
            let login = format!("{good}Authorization: {scheme} AAAA\r\n");
            assert_eq!(ask(&mut wire, "192.0.2.1", "GET /open", &login).text(), "alice", "{scheme}");
            assert_eq!(ask(&mut wire, "192.0.2.2", "GET /open", good).text(), "nobody", "{scheme}");
            assert_eq!(ask(&mut wire, "192.0.2.1:5", "GET /open", good).text(), "alice", "{scheme}");
            assert_eq!(
                ask(&mut portward.plain(), "192.0.2.1", "GET /open", good).text(),
                "nobody",
                "{scheme}"
            );
        }
        // A scheme that logs in with each request may share connections.
        let target = Target::named("here");
        let portward = behind(target.port());
        for scheme in ["Basic", "bearer", "Hawk", "DPoP"] {
            let login = format!("Host: one.example.net\r\nAuthorization: {scheme} AAAA\r\n");
            assert_eq!(ask(&mut portward.plain(), "192.0.2.1", "GET /open", &login).status(), 200);
        }
        assert_eq!(target.connections(), 1);
    });
}

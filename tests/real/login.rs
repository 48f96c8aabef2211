//! Logins that belong to a connection (NTLM, Negotiate) are never shared (contract section 3).

use crate::harness::{Conn, Portward, Target, eventually, ok, within};

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port()
    )
}

/// Tells the number of the connection that was reached. `/challenge/SCHEME` answers 401 with that scheme.
fn numbered(conn: &mut Conn) {
    while let Some(request) = conn.try_request() {
        let number = conn.number.to_string();
        match request.target().strip_prefix("/challenge/") {
            Some(scheme) => {
                let scheme = scheme.replace('+', " ").replace('|', "\r\nWWW-Authenticate: ");
                conn.send(format!(
                    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {scheme}\r\nContent-Length: {}\r\n\r\n{number}",
                    number.len()
                ));
            }
            None => conn.send(ok(&number)),
        }
    }
}

#[test]
fn a_connection_with_a_login_stays_with_its_client() {
    // The octets on the connection, and whether it becomes the client's own.
    let cases = [
        ("/", "Authorization: NTLM TlRMTVNTUAABAAAA\r\n", true),
        ("/", "authorization: ntlm TlRMTVNTUAABAAAA\r\n", true),
        ("/", "Authorization: Negotiate YIIJ\r\n", true),
        ("/", "Authorization: NEGOTIATE YIIJ\r\n", true),
        ("/challenge/NTLM", "", true),
        ("/challenge/Negotiate", "", true),
        ("/challenge/negotiate+oYG2", "", true),
        ("/challenge/Basic+realm=\"x\"|NTLM", "", true),
        ("/challenge/Basic+realm=\"x\",+NTLM", "", true),
        ("/challenge/Basic+realm=\"x\"", "", false),
        ("/challenge/Digest+realm=\"NTLM\"", "", false),
        ("/", "Authorization: Basic dTpw\r\n", false),
        ("/", "Authorization: Bearer NTLM\r\n", false),
    ];
    within(120, move || {
        for (path, lines, own) in cases {
            let target = Target::scripted(numbered);
            let portward = Portward::rules(&rules(&target)).one_worker().start();
            let mut alice = portward.plain();
            assert_eq!(alice.get("one.example.net", "/").text(), "0");
            assert_eq!(portward.plain().get("one.example.net", "/").text(), "0", "shared before");

            let login = alice.ask(format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n"));
            assert_eq!(login.text(), "0", "{path} {lines}: {login:?}");
            let stranger = portward.plain().get("one.example.net", "/").text();
            assert_eq!(stranger == "0", !own, "{path} {lines}: a stranger got connection {stranger}");
            let again = alice.get("one.example.net", "/").text();
            if own {
                assert_eq!(again, "0", "{path} {lines}: the login's owner keeps its connection");
                drop(alice);
                eventually("the connection dies with its client", || target.closed(0));
                let stranger = portward.plain().get("one.example.net", "/").text();
                assert_ne!(stranger, "0", "{path} {lines}");
            }
        }
    });
}

/// A whole NTLM exchange through curl: three requests of one client on one target connection.
#[test]
fn curl_logs_in_by_ntlm_on_one_target_connection() {
    within(60, || {
        let target = Target::scripted(|conn| {
            // A type 2 message with an all-zero challenge is enough for a client to go on.
            let challenge = "TlRMTVNTUAACAAAAAAAAADgAAAABAoIAASNFZ4mrze8AAAAAAAAAAAAAAAAAAAAA";
            let mut step = 0;
            while let Some(request) = conn.try_request() {
                let number = conn.number;
                let scheme = request.header("authorization").unwrap_or_default().to_owned();
                step = if scheme.starts_with("NTLM ") { step + 1 } else { 0 };
                match step {
                    2 => conn.send(ok(&format!("welcome on {number}"))),
                    1 => conn.send(format!(
                        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM {challenge}\r\nContent-Length: 0\r\n\r\n"
                    )),
                    _ => conn.send("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"),
                }
            }
        });
        let portward = Portward::with_rules(&rules(&target));
        let seen = crate::harness::curl(&[
            "--ntlm",
            "--user",
            "ckl:pwd",
            "-H",
            "Host: one.example.net",
            &format!("http://127.0.0.1:{}/", portward.http),
        ]);
        assert_eq!((seen.code, seen.out.as_str()), (0, "welcome on 0"), "{seen:?}");
    });
}

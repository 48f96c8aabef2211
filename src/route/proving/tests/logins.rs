//! Logins of a request: which user, which nonce, which realm, and which other logins beside them.

use super::*;

#[test]
fn w5_a_login_says_whose_it_is_and_the_pbx_keeps_its_own() {
    let rules = Rules::new();
    let mut client = Client::new(&rules);
    let from = "alice@own.example";
    let (realm, nonce) = client.challenge(from);
    let ours = answer(("MESSAGE", &realm, &nonce), &good("alice"), "of own", 1);
    let of_pbx = "Proxy-Authorization: Digest username=\"alice\", realm=\"own.example\", nonce=\"theirs\", \
                  uri=\"sip:b@x\", response=\"0\"\r\n";
    let head = request("MESSAGE", from, &format!("{of_pbx}{ours}X-TENANT: up\r\n"));
    assert_eq!(client.look(&head, (false, None)).0, Got::Passes);
    let Inspect::Found { ask: Ask::Message(message), .. } = Inspector::of_client().inspect(head.as_bytes())
    else {
        panic!("{head}")
    };
    let host = rules.table.host("own.example").unwrap();
    let asked = Asked::of(&rules.table, (host, None), (head.as_bytes(), &message)).unwrap();
    let changes = client.proving.changes(&rules.terms(NOW), &asked);
    let cut: Vec<_> =
        changes.cut.iter().map(|line| str::from_utf8(line.of_input(head.as_bytes())).unwrap()).collect();
    assert_eq!(cut, [&*ours, "X-TENANT: up\r\n"]);
    assert_eq!(changes.add.as_deref(), Some("X-Tenant: own\r\n"));
    let open = rules.table.host("open.example").unwrap();
    assert!(Asked::of(&rules.table, (open, None), (head.as_bytes(), &message)).is_none());
}

#[test]
fn w5_a_right_login_over_another_nonce_is_stale_and_a_wrong_one_is_forged() {
    let rules = Rules::new();
    let from = "alice@pbx.example";
    for nonce in [
        "made-up",
        &rules.nonces.make(
            NonceBinding { connection: 2, realm: b"pbx.example", algorithm: Algorithm::Md5 },
            1,
            1_700_000_000,
        ),
    ] {
        for (secret, failed) in [("newest", false), ("of own", true)] {
            let mut client = Client::new(&rules);
            let line = answer(("MESSAGE", "pbx.example", nonce), &good("alice"), secret, 1);
            let (got, _) = client.look(&request("MESSAGE", from, &line), (false, None));
            assert_eq!(got, Got::Asked { stale: !failed, failed }, "{nonce} {secret}");
        }
    }
    let mut client = Client::new(&rules);
    let (realm, nonce) = client.challenge(from);
    let line = answer(("MESSAGE", &realm, &nonce), &good("alice"), "newest", 2);
    assert_eq!(client.look(&request("MESSAGE", from, &line), (false, None)).0, Got::Passes);
    let again = client.look(&request("MESSAGE", from, &line), (false, None)).0;
    assert_eq!(again, Got::Asked { stale: false, failed: true }, "it was sent before");
    client.now += 301;
    let (got, _) = client.look(&request("MESSAGE", from, &line), (false, None));
    assert_eq!(got, Got::Passes, "an old nonce does not matter where nothing is asked for");
    // The digest contains the method, so the login is wrong for another method.
    let mut client = Client::new(&rules);
    let (realm, nonce) = client.challenge(from);
    let line = answer(("REGISTER", &realm, &nonce), &good("alice"), "newest", 1);
    let (got, _) = client.look(&request("MESSAGE", from, &line), (false, None));
    assert_eq!(got, Got::Asked { stale: false, failed: true });
}

#[test]
fn w5_a_login_names_the_realm_that_it_was_asked_for() {
    let rules = Rules::new();
    let from = "alice@pbx.example";
    for (realm, got) in [
        ("pbx.example", Got::Passes),
        ("PBX.example", Got::Passes),
        ("any.example", Got::Asked { stale: false, failed: true }),
        ("evil.example", Got::Asked { stale: false, failed: true }),
        ("", Got::Asked { stale: false, failed: true }),
    ] {
        let mut client = Client::new(&rules);
        let (_, nonce) = client.challenge(from);
        let line = answer(("REGISTER", realm, &nonce), &good("alice"), "newest", 1);
        assert_eq!(client.look(&request("REGISTER", from, &line), (false, None)).0, got, "{realm}");
    }
}

#[test]
fn w5_a_forged_login_counts_beside_others_that_do_not() {
    let rules = Rules::new();
    let from = "alice@pbx.example";
    let expired = format!("{}:alice", NOW - 1);
    for other in ["expired", "stale"] {
        for forged_first in [true, false] {
            let mut client = Client::new(&rules);
            let (realm, nonce) = client.challenge(from);
            let forged = answer(("REGISTER", &realm, &nonce), &good("alice"), "guessed", 1);
            let other = match other {
                "expired" => answer(("REGISTER", &realm, &nonce), &expired, "newest", 2),
                _ => answer(("REGISTER", &realm, "made-up"), &good("alice"), "newest", 2),
            };
            let lines = if forged_first { [&*forged, &*other] } else { [&*other, &*forged] };
            let (got, _) = client.look(&request("REGISTER", from, &lines.concat()), (false, None));
            assert_eq!(got, Got::Asked { stale: false, failed: true }, "{lines:?}");
        }
    }
}

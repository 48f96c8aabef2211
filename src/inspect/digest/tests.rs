//! Credentials and challenges as devices send them, and credentials that two parsers read differently.

use super::*;

fn nonce(value: &str) -> u64 {
    digest(value.as_bytes())
}

fn given(value: &[u8]) -> Vec<Challenge> {
    challenges(value).collect()
}

#[test]
fn nonces_are_found() {
    let given = given(b"Digest realm=\"a, nonce=\\\"x\\\"\", nonce=\"abc\", qop=\"auth\"");
    assert_eq!(given, [Challenge { nonce: nonce("abc"), stale: false }]);
    for answer in [
        &b"Digest username=\"a\", nonce=\"abc\""[..],
        b"  digest\r\n  Nonce = \"abc\" , username=\"b\"",
        b"DIGEST nonce=abc",
        b"DIGEST\tqop=auth,auth-int,nonce=abc",
    ] {
        assert_eq!(
            credentials(answer),
            Credentials::Digest(nonce("abc")),
            "{}",
            String::from_utf8_lossy(answer)
        );
    }
    for answer in [
        &b"Digest nonce=\"abd\""[..],
        b"Digest username=\"nonce=abc\", nonce=\"x\"",
        b"Digest cnonce=\"abc\", nonce=\"y\"",
    ] {
        assert!(matches!(credentials(answer), Credentials::Digest(other) if other != nonce("abc")));
    }
    assert_eq!(credentials(b"Basic YTpi"), Credentials::Basic);
    for other in [&b"Bearer abc"[..], b"Negotiate TlRMTQ==", b"NTLM x", b"Digest", b"Digestnonce=\"abc", b""]
    {
        assert_eq!(credentials(other), Credentials::Other, "{}", String::from_utf8_lossy(other));
    }
}

#[test]
fn a_stale_nonce_is_told_apart() {
    assert!(given(b"Digest nonce=\"a\", stale=TRUE")[0].stale);
    assert!(given(b"Digest stale=\"true\", nonce=\"a\"")[0].stale);
    assert!(!given(b"Digest stale=false, nonce=\"a\"")[0].stale);
    assert_eq!(given(b"Basic realm=\"a\""), []);
    assert_eq!(given(b"Digest realm=\"a\""), []);
}

/// Issue 15, A2: each challenge of a list counts.
#[test]
fn every_challenge_of_a_list_is_found() {
    for (value, nonces) in [
        ("Basic realm=\"x\", Digest nonce=\"a\", Digest algorithm=SHA-256, nonce=\"b\"", &["a", "b"][..]),
        ("Digest realm=\"x\", nonce=\"a\",Digest realm=\"x\",nonce=\"b\"", &["a", "b"]),
        ("digest  realm = \"x\" , nonce = \"a\" ,, DIGEST\tnonce = b", &["a", "b"]),
        ("Negotiate, NTLM, Digest nonce=\"a\"", &["a"]),
        ("Negotiate YWJj==, Digest nonce=\"a\"", &["a"]),
        ("Digest nonce=\"a\", Negotiate YWJj==", &["a"]),
        ("Digest qop=auth,auth-int,nonce=\"a\"", &["a"]),
        ("Digest realm=\"x\" nonce=\"a\"", &["a"]),
        ("Digest realm=\"x, Digest nonce=\\\"b\\\"\", nonce=\"a\"", &["a"]),
        ("Basic realm=\"Digest nonce=a\"", &[]),
        ("Basic realm=\"x\", nonce=\"a\"", &[]),
        ("nonce=\"a\", Digest realm=\"x\", Digest nonce=\"b", &["b"]),
        ("", &[]),
        (", ,", &[]),
    ] {
        let found: Vec<u64> = challenges(value.as_bytes()).map(|challenge| challenge.nonce).collect();
        let wanted: Vec<u64> = nonces.iter().map(|text| nonce(text)).collect();
        assert_eq!(found, wanted, "{value}");
    }
    let stale = given(b"Digest nonce=\"a\", Digest nonce=\"b\", stale=true");
    assert_eq!(stale.iter().map(|challenge| challenge.stale).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn repeated_parameters_are_ambiguous() {
    for sound in [
        "Digest username=\"a\", realm=\"x, y=z\", nonce=\"n==\", uri=\"sip:b;c=d,e\", response=\"f00\"",
        "digest\r\n username = \"a\" ,\r\n\tnonce=n , qop=auth, nc=00000001, cnonce=\"\", algorithm=MD5",
        "Digest username=\"A\\\\b\", realm=\"the \\\"PBX\\\"\", nonce=\"n\",",
        "Digest username*=UTF-8''J%C3%A4s%C3%B8n, userhash=false, uri=/a?b=c",
        "Digest username=\"DOMAIN\\user\", nonce=\"n\"",
        "Digest username=\"J\u{e4}s\u{f8}n\"",
        "Digest",
        "Basic YTpi==",
        "Bearer a,b",
        "NoOneKnowsThisScheme opaque-data=here, opaque-data=here",
        "",
    ] {
        assert!(!is_ambiguous(sound.as_bytes()), "{sound}");
    }
    for two in [
        "Digest nonce=\"x\", nonce=\"real\"",
        "digest NONCE=x,nonce = \"real\"",
        "Digest realm=\"a\", username=\"b\",, Realm=\"a\"",
        "Digest username=\"a\", username=\"a\"",
        "Digest username=\"a\", username*=UTF-8''b",
        "Digest username=\"a\", response=1, response=1",
        "Digest uri=\"/a\", uri=\"/b\"",
        "Digest nonce=\"x\" nonce=\"real\"",
        "Digest nonce=x nonce=\"real\"",
        "Digest nonce=\"x\"; nonce=\"real\"",
        "Digest nonce=\"x\\\", nonce=\\\"real\"",
        "Digest nonce=\"x\\\", nonce=\"real\"",
        "Digest nonce=\"x\r\n y\"",
        "Digest nonce=\"x",
        "Digest nonce=\"x\\y\"",
        "Digest realm=\"a\", NONCE=\"\\\\\"",
        "Digest nonce=x\"y\"",
        "Digest \"nonce\"=x",
        "Digest nonce\0=x",
        "Digest =x, nonce=y",
        "Digest nonce",
        "Digest abc, nonce=y",
        "Basic YTpi, Digest nonce=x",
        "Basic YTpi\tYTpi",
    ] {
        assert!(is_ambiguous(two.as_bytes()), "{two}");
    }
    let many: Vec<_> = (0..=PARAMETER_LIMIT).map(|number| format!("x{number}=1")).collect();
    assert!(is_ambiguous(format!("Digest {}", many.join(",")).as_bytes()));
    assert!(!is_ambiguous(format!("Digest {}", many[1..].join(",")).as_bytes()));
}

#[test]
fn spellings_of_a_nonce_that_a_server_passes_over_are_one() {
    let kamailio = "aweJA2sHh9eY2k/4qx6VBvhtNt/p+nlR";
    for spelling in [kamailio.to_owned() + "AAAA", kamailio.to_ascii_uppercase()] {
        assert_eq!(nonce(&spelling), nonce(kamailio), "{spelling}");
    }
    assert_ne!(nonce(&kamailio[..31]), nonce(kamailio));
    assert_ne!(nonce("1"), nonce("12"));
}

#[test]
fn what_else_is_said_of_a_login() {
    assert_eq!(next_nonce(b"qop=auth, nextnonce=\"a\""), Some(nonce("a")));
    assert_eq!(next_nonce(b"qop=auth, nonce=\"a\""), None);
    assert!(username(b"Digest realm=\"x\", username=\"bob\"").is_some());
    assert_eq!(username(b"Digest realm=\"x\", username=bob"), username(b"digest username=\"bob\""));
    assert_eq!(username(b"Basic username=\"bob\""), None);
}

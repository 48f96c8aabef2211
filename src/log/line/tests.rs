//! The forms of lines that docs/log.md shows.

use super::*;
use crate::cause::FailedAt;
use crate::ending::{Responsible, Stage};

fn rejected(reason: Reason) -> Outcome<'static> {
    Outcome::Rejected { reason, cause: None, failures: &[] }
}

fn line(outcome: Outcome<'_>) -> Line<'_> {
    Line {
        id: 12,
        client: "192.168.178.59".parse().unwrap(),
        port: 40001,
        service: Service::Http,
        carrier: Carrier::Tls,
        subject: Subject::Http {
            host: b"hq.dvl-ckl2.net",
            method: b"GET",
            target: b"/PBX0/APPS/app_manager/137758/websocket?token=s3cret",
            version: "HTTP/1.1",
            user: b"",
        },
        outcome,
    }
}

#[test]
fn lines_are_in_the_manner_of_the_reference() {
    let forwarded = line(Outcome::Forwarded { to: "172.31.31.2:443".parse().unwrap(), new: true });
    assert_eq!(
        forwarded.text(false),
        "REVERSE-PROXY 12 192.168.178.59 https://hq.dvl-ckl2.net GET \
         /PBX0/APPS/app_manager/137758/websocket?… HTTP/1.1 -> 172.31.31.2:443(new)"
    );
    assert!(forwarded.text(true).contains("?token=s3cret "));
    let json = forwarded.json(false);
    assert_eq!(json["path"], "/PBX0/APPS/app_manager/137758/websocket?…");
    assert_eq!(json["target"], "172.31.31.2:443");
    assert_eq!(json["new"], true);
    let redirected = line(Outcome::Redirected("https://h/a->b%20c?t=s3cret".to_owned()));
    let text = redirected.text(false);
    assert!(text.ends_with(" HTTP/1.1 -> redirect https://h/a-%3Eb%2520c?…"), "{text}");
    assert_eq!(redirected.json(true)["location"], "https://h/a-%3Eb%2520c?t=s3cret");
    let long = line(Outcome::Redirected(format!("https://h/{}", "a".repeat(30_000)))).text(false);
    assert!(long.len() < 1024 && long.ends_with('…'), "{long}");
    let mut rejected = line(rejected(Reason::NotTls));
    rejected.subject = Subject::Unknown;
    assert_eq!(rejected.text(false), "REVERSE-PROXY 12 192.168.178.59 https://- rejected: not-tls");
    assert_eq!(rejected.json(false)["reason"], "not-tls");
}

#[test]
fn w5_a_credential_in_a_query_is_never_shown() {
    for (query, shown) in [
        ("username=1:a&x=y&password=s3cret", "username=***&x=y&password=***"),
        ("x=y&pass%77ord=s3cret", "x=y&pass%2577ord=***"),
        ("PASSWORD", "PASSWORD=***"),
        ("token=t", "token=t"),
        ("username=1:a&amp;password=s3cret", "username=***&amp;password=***"),
        ("a=b;password=s3cret;c", "a=b;password=***;c"),
        ("x=?username=1:a?y", "x=?username=***?y"),
        ("username[]=1:a&+password=s3cret", "username[]=***&+password=***"),
        ("x=&&y=;;z", "x=&&y=;;z"),
    ] {
        let mut rejected = line(rejected(Reason::Origin));
        let whole = format!("/sip?{query}");
        let Subject::Http { target, .. } = &mut rejected.subject else { panic!() };
        *target = whole.as_bytes();
        assert!(rejected.text(true).contains(&format!(" /sip?{shown} ")), "{}", rejected.text(true));
        assert_eq!(rejected.json(true)["path"], format!("/sip?{shown}"));
        assert!(rejected.text(false).contains(" /sip?… "));
    }
}

#[test]
fn item_21_a_password_in_a_host_is_not_shown() {
    let mut rejected = line(rejected(Reason::Malformed));
    let Subject::Http { host, .. } = &mut rejected.subject else { panic!() };
    *host = b"user:s3cret@a:s3cret@hq.dvl-ckl2.net";
    assert!(rejected.text(false).contains(" https://hq.dvl-ckl2.net GET "));
    assert_eq!(rejected.json(false)["host"], "hq.dvl-ckl2.net");
}

#[test]
fn signalling_lines_have_no_slashes_where_the_scheme_has_none() {
    let of = |service, subject| {
        let outcome = Outcome::Forwarded { to: "172.31.31.2:5061".parse().unwrap(), new: true };
        Line { service, subject, ..line(outcome) }
    };
    let sip = Subject::Signalling {
        who: b"ckl@dvl-ckl2.net",
        verb: b"REGISTER",
        name: b"",
        certificate: "ok(c l)",
        unproven: None,
    };
    let sip = of(Service::Sip, sip);
    assert_eq!(
        sip.text(false),
        "REVERSE-PROXY 12 192.168.178.59 sips:ckl@dvl-ckl2.net REGISTER cert=ok(c%20l) -> 172.31.31.2:5061(new)"
    );
    assert_eq!(sip.json(false)["certificate"], "ok(c%20l)");
    let bind = Subject::Signalling {
        who: b"apps.dvl-ckl2.net",
        verb: b"BIND",
        name: b"a b",
        certificate: "",
        unproven: None,
    };
    let bind = of(Service::Ldap, bind);
    assert_eq!(
        bind.text(false),
        "REVERSE-PROXY 12 192.168.178.59 ldaps://apps.dvl-ckl2.net BIND a%20b -> 172.31.31.2:5061(new)"
    );
    assert_eq!(bind.json(false)["user"], "a%20b");
    let rrq = Subject::Signalling { who: b"", verb: b"RRQ", name: b"", certificate: "", unproven: None };
    assert!(of(Service::H323, rrq).text(false).contains(" h323s:- RRQ -> "));
}

#[test]
fn causes_a_target_that_fails_is_named_with_its_cause() {
    let failures = [
        Failure { at: FailedAt::Address("172.31.31.2:443".parse().unwrap()), cause: Cause::Refused },
        Failure { at: FailedAt::Name("pbx.example".into(), 443), cause: Cause::NameNotFound },
    ];
    let outcome =
        Outcome::Rejected { reason: Reason::TargetDown, cause: Some(Cause::Refused), failures: &failures };
    let mut rejected = line(outcome);
    rejected.subject = Subject::Unknown;
    assert_eq!(
        rejected.text(false),
        "REVERSE-PROXY 12 192.168.178.59 https://- rejected: target-down 172.31.31.2:443 refused, \
         pbx.example:443 name-not-found"
    );
    let json = rejected.json(false);
    assert_eq!(json["target"], "172.31.31.2:443");
    assert_eq!((&json["cause"], &json["reason"]), (&"refused".into(), &"target-down".into()));
    assert_eq!(json["failures"][1], json!({ "target": "pbx.example:443", "cause": "name-not-found" }));
    assert_eq!(json["port"], 40001);
    rejected.port = 0;
    assert_eq!(rejected.json(false)["port"], Value::Null);
}

#[test]
fn causes_a_certificate_that_proves_nothing_says_why_where_its_verdict_does_not() {
    let to = "172.31.31.2:5060".parse().unwrap();
    let of = |certificate, unproven, outcome| {
        let subject =
            Subject::Signalling { who: b"ckl@hq", verb: b"REGISTER", name: b"", certificate, unproven };
        Line { service: Service::Sip, subject, ..line(outcome) }
    };
    for (verdict, cause, suffix) in [
        ("ok(ckl)", None, ""),
        ("ok(other)", Some(Cause::WrongName), " not proven: wrong-name"),
        ("untrusted", Some(Cause::UnknownCa), ""),
        ("untrusted", Some(Cause::BadSignature), " not proven: bad-signature"),
        ("expired", Some(Cause::Expired), ""),
        ("not-yet-valid", Some(Cause::NotYetValid), ""),
        ("revoked", Some(Cause::Revoked), ""),
        ("unusable", Some(Cause::UnverifiableKey), " not proven: unverifiable-key"),
        ("none", Some(Cause::NoCertificate), ""),
    ] {
        let forwarded = of(verdict, cause, Outcome::Forwarded { to, new: true });
        assert_eq!(
            forwarded.text(false),
            format!(
                "REVERSE-PROXY 12 192.168.178.59 sips:ckl@hq REGISTER cert={verdict} -> 172.31.31.2:5060(new){suffix}"
            )
        );
        let json = forwarded.json(false);
        assert_eq!(json["certificate_cause"], cause.map_or(Value::Null, |cause| cause.name().into()));
    }
    let refused =
        Outcome::Rejected { reason: Reason::Certificate, cause: Some(Cause::WrongName), failures: &[] };
    let refused = of("ok(other)", Some(Cause::WrongName), refused);
    assert!(refused.text(false).ends_with(" cert=ok(other) rejected: certificate wrong-name"));
    assert_eq!(refused.json(false)["cause"], "wrong-name");
}

#[test]
fn causes_ends_say_what_has_failed_and_requests_have_a_line_of_their_own() {
    let ending = Ending::of_target(Stage::Relay, Cause::Closed);
    let target = Some("172.31.31.2:5061".parse().unwrap());
    let mut ended = line(Outcome::Ended { ending, target, bytes: [300, 0], seconds: 0.25 });
    ended.subject = Subject::Unknown;
    assert_eq!(
        ended.text(false),
        "REVERSE-PROXY 12 192.168.178.59 https://- ended by target in relay (target-down): 300 bytes up, \
         0 bytes down, 0.250 s, 172.31.31.2:5061 closed"
    );
    assert_eq!(
        (&ended.json(false)["cause"], &ended.json(false)["target"]),
        (&"closed".into(), &"172.31.31.2:5061".into())
    );
    let ending = Ending::peacefully(Stage::Relay, Responsible::Client);
    let peaceful = line(Outcome::Ended { ending, target, bytes: [1, 2], seconds: 0.0 });
    assert!(peaceful.text(false).ends_with("ended by client in relay: 1 bytes up, 2 bytes down, 0.000 s"));
    let done = |status| Outcome::Done { status, bytes: [512, 10_240], took: Duration::from_millis(35) };
    assert_eq!(
        line(done(Some(200))).text(false),
        "REVERSE-PROXY 12 192.168.178.59 https://hq.dvl-ckl2.net GET \
         /PBX0/APPS/app_manager/137758/websocket?… HTTP/1.1 ended 200: 512 bytes up, 10240 bytes down, 35 ms"
    );
    let json = line(done(None)).json(false);
    assert_eq!(
        (&json["status"], &json["milliseconds"], &json["outcome"]),
        (&Value::Null, &35.into(), &"ended".into())
    );
    assert!(line(done(None)).text(false).contains(" ended -: "));
}

/// docs/log.md shows the lines exactly as the program writes them, and every field.
#[test]
fn the_page_about_the_log_shows_these_forms_and_fields() {
    const PAGE: &str = include_str!("../../../docs/log.md");
    let http = |host, target| Subject::Http { host, method: b"GET", target, version: "HTTP/1.1", user: b"" };
    let sip = |certificate, unproven| Subject::Signalling {
        who: b"ckl@dvl-ckl2.net",
        verb: b"REGISTER",
        name: b"",
        certificate,
        unproven,
    };
    let failures =
        ["172.31.31.2:5060", "172.31.31.3:5060"].map(|address| FailedAt::Address(address.parse().unwrap()));
    let failures: Vec<_> = failures
        .into_iter()
        .zip([Cause::Refused, Cause::TimedOut])
        .map(|(at, cause)| Failure { at, cause })
        .collect();
    let to = |address: &str| Outcome::Forwarded { to: address.parse().unwrap(), new: true };
    let refused = |reason, cause, failures| Outcome::Rejected { reason, cause, failures };
    let scanner = "203.0.113.9";
    let phone = "192.168.178.59";
    let (tcp, tls) = (Carrier::Tcp, Carrier::Tls);
    let url = "https://hq.dvl-ckl2.net/".to_owned();
    let target = Some("172.31.31.2:5061".parse().unwrap());
    let (idle, app) =
        (Ending::peacefully(Stage::Ask, Responsible::Client), http(b"hq.dvl-ckl2.net", b"/PBX0/APPS/app"));
    let not_there = Ending::because(Stage::Relay, Responsible::Target, Reason::TargetDown)
        .by(Cause::OurCertificateRefused);
    let done = Outcome::Done { status: Some(200), bytes: [412, 10_240], took: Duration::from_millis(35) };
    for (id, client, service, carrier, subject, outcome) in [
        (12, phone, Service::Http, tls, app, to("172.31.31.2:443")),
        (13, phone, Service::Sip, tls, sip("ok(ckl)", None), to("172.31.31.2:5061")),
        (17, phone, Service::Sip, tls, sip("ok(other)", Some(Cause::WrongName)), to("172.31.31.2:5060")),
        (18, phone, Service::Http, tcp, http(b"hq.dvl-ckl2.net", b"/"), Outcome::Redirected(url)),
        (
            19,
            scanner,
            Service::Http,
            tcp,
            http(b"hq.dvl-ckl2.net", b"/.well-known/acme-challenge/x"),
            Outcome::Challenge,
        ),
        (
            20,
            scanner,
            Service::Http,
            tls,
            http(b"203.0.113.9", b"/boaform/admin"),
            refused(Reason::UnknownHost, None, &[]),
        ),
        (21, phone, Service::Sip, tcp, sip("", None), refused(Reason::TargetDown, None, &failures)),
        (
            22,
            phone,
            Service::Sip,
            tls,
            sip("none", Some(Cause::NoCertificate)),
            refused(Reason::Certificate, Some(Cause::NoCertificate), &[]),
        ),
        (23, scanner, Service::Http, tls, Subject::Unknown, refused(Reason::NotTls, None, &[])),
        (12, phone, Service::Http, tls, app, done),
        (
            12,
            phone,
            Service::Http,
            tls,
            Subject::Unknown,
            Outcome::Ended { ending: idle, target: None, bytes: [1236, 30_720], seconds: 61.204 },
        ),
        (
            13,
            phone,
            Service::Sip,
            tls,
            Subject::Unknown,
            Outcome::Ended { ending: not_there, target, bytes: [540, 0], seconds: 0.02 },
        ),
    ] {
        let line = Line { id, client: client.parse().unwrap(), port: 1, service, carrier, subject, outcome };
        let text = line.text(false);
        assert!(PAGE.lines().any(|shown| shown == text), "docs/log.md does not show {text}");
        let Value::Object(fields) = line.json(false) else { panic!() };
        for field in fields.keys() {
            assert!(PAGE.contains(&format!("`{field}`")), "docs/log.md has no field {field}");
        }
    }
}

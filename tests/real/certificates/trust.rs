//! Trusted CAs: a host's own trust, constraints of CAs, CRLs, and all of these after a reload.

use rcgen::{BasicConstraints, GeneralSubtree, IsCa, NameConstraints, SanType};

use super::authority::{Authority, Wanted, write};
use super::{HOST, Pbx, Spoken, by_tls, front, proven};
use crate::harness::{sip, within};

#[test]
fn a_hosts_own_trust_takes_the_place_of_the_usual_one() {
    within(60, || {
        let pbx = Pbx::start();
        let tenant = Authority::root("Tenant");
        let rules =
            pbx.host(HOST, "", "") + &pbx.host("tenant.example", "", "client_trust = \"../tenant\"\n");
        let front = front(&rules);
        write(&front.dir().join("tenant"), &[("ca.crt", &tenant.pem)]);
        let portward = front.start();
        let theirs = tenant.issue(&Wanted::named("ckl")).client(&rustls::version::TLS13);
        for spoken in Spoken::BOTH {
            for (config, host, way) in [
                (proven("ckl"), HOST, "TLS"),
                (proven("ckl"), "tenant.example", "plain"),
                (theirs.clone(), HOST, "plain"),
                (theirs.clone(), "tenant.example", "TLS"),
            ] {
                let mut client = by_tls(&portward, spoken, &config);
                assert_eq!(spoken.register(&mut client, "ckl", host).as_deref(), Some(way), "{host}");
            }
        }
    });
}

#[test]
fn a_ca_cannot_go_beyond_what_it_may() {
    within(60, || {
        let pbx = Pbx::start();
        let trusted = Authority::trusted();
        let short = trusted.below_as("No CA below", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        });
        let too_deep = short.below_as("Below", |_| ());
        let narrow = trusted.below_as("Only for b.example", |params| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("b.example".to_owned())],
                excluded_subtrees: Vec::new(),
            });
        });
        let no_ca = trusted.below_as("No CA at all", |params| params.is_ca = IsCa::ExplicitNoCa);
        let revoked = trusted.below_as("Revoked", |_| ());
        let old = trusted.below_as("Expired", |params| {
            params.not_after = time::OffsetDateTime::now_utc() - time::Duration::days(1);
        });
        let stranger = Authority::root("Somebody else");
        let dns = |name: &str| vec![SanType::DnsName(name.try_into().unwrap())];
        let wanted = |alternative| Wanted { alternative, ..Wanted::named("ckl") };
        let front = front(&pbx.host(HOST, "", ""));
        let portward = front.start();
        for (chain, way, verdict) in [
            (short.issue(&wanted(vec![])), "TLS", "ok(ckl)"),
            (too_deep.issue(&wanted(vec![])), "plain", "untrusted"),
            (narrow.issue(&wanted(dns("a.b.example"))), "TLS", "ok(ckl,a.b.example)"),
            (narrow.issue(&wanted(dns("a.c.example"))), "plain", "untrusted"),
            (no_ca.issue(&wanted(vec![])), "plain", "untrusted"),
            (old.issue(&wanted(vec![])), "plain", "expired"),
            (stranger.issue(&Wanted { days: Some((-30, -1)), ..Wanted::named("ckl") }), "plain", "untrusted"),
            (stranger.issue(&Wanted { days: Some((1, 30)), ..Wanted::named("ckl") }), "plain", "untrusted"),
            (revoked.issue(&wanted(vec![])), "TLS", "ok(ckl)"),
        ] {
            for spoken in Spoken::BOTH {
                let mark = portward.mark();
                let mut client = by_tls(&portward, spoken, &chain.client(&rustls::version::TLS13));
                assert_eq!(spoken.register(&mut client, "ckl", HOST).as_deref(), Some(way), "{verdict}");
                portward.decision_after(mark, &[&format!(" cert={verdict} -> ")]);
            }
        }
    });
}

#[test]
fn trust_and_crls_are_read_again_and_no_connection_is_dropped() {
    within(60, || {
        let pbx = Pbx::start();
        let front = front(&pbx.host(HOST, "", ""));
        let trust = front.dir().join("trust");
        let portward = front.start();
        let trusted = Authority::trusted();
        let chain = trusted.issue(&Wanted::named("ckl"));
        let config = chain.client(&rustls::version::TLS13);
        let mut open = by_tls(&portward, Spoken::Sip, &config);
        assert_eq!(Spoken::Sip.register(&mut open, "ckl", HOST).as_deref(), Some("TLS"));
        let reload = |what: &str| {
            let mark = portward.mark();
            portward.hang_up();
            portward.line_after(mark, &[what]);
        };
        let mut check = |way: &str, verdict: &str| {
            for resumed in [true, false] {
                let config = if resumed { config.clone() } else { chain.client(&rustls::version::TLS12) };
                let mark = portward.mark();
                let mut client = by_tls(&portward, Spoken::Sip, &config);
                assert_eq!(client.is_resumed(), resumed);
                assert_eq!(Spoken::Sip.register(&mut client, "ckl", HOST).as_deref(), Some(way));
                portward.decision_after(mark, &[&format!("cert={verdict} -> ")]);
            }
            // The open connection keeps its verdict and its name.
            open.send(sip::request("OPTIONS", "ckl@dvl-ckl2.net", ""));
            assert_eq!(sip::next_message(&mut open).unwrap().header("Server"), Some("TLS"));
            open.send(sip::request("REGISTER", "other@dvl-ckl2.net", ""));
            assert_eq!(sip::next_message(&mut open).unwrap().status(), 403);
        };
        check("TLS", "ok(ckl)");
        // A CRL that should have been replaced long ago still revokes. It causes a warning.
        write(&trust, &[("telephones.crl", &trusted.revoke(&[&chain], -1))]);
        reload("should have been replaced");
        check("plain", "revoked");
        write(&trust, &[("telephones.crl", &trusted.revoke(&[], 30))]);
        reload("reloaded");
        check("TLS", "ok(ckl)");
        // A file that is no CRL leaves everything as it is.
        write(&trust, &[("telephones.crl", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n")]);
        reload("the CRL cannot be used");
        check("TLS", "ok(ckl)");
        std::fs::remove_file(trust.join("telephones.crl")).unwrap();
        std::fs::remove_file(trust.join("telephones.crt")).unwrap();
        reload("tls.client_trust holds no CA certificate");
        check("plain", "untrusted");
        // The certificate and the CRL in one PEM file.
        let both = trusted.pem.clone() + &trusted.revoke(&[], 30);
        write(&trust, &[("both.pem", &both)]);
        reload("reloaded");
        check("TLS", "ok(ckl)");
    });
}

//! Every kind of certificate with every kind of name, both versions of TLS, full and resumed, both protocols.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType};

use super::authority::{Authority, Chain, Wanted, self_signed, write};
use super::{HOST, Pbx, Spoken, by_tls, front};
use crate::harness::within;

/// The user that is registered in every case.
const NAME: &str = "ckl";

/// The quality of the certificate, and the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Trusted,
    TrustedBelow,
    Untrusted,
    LookAlike,
    SelfSigned,
    Expired,
    NotYetValid,
    Revoked,
    WrongUsage,
    BrokenChain,
}

impl Kind {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Trusted, "ok("),
        (Self::TrustedBelow, "ok("),
        (Self::Untrusted, "untrusted"),
        (Self::LookAlike, "untrusted"),
        (Self::SelfSigned, "untrusted"),
        (Self::Expired, "expired"),
        (Self::NotYetValid, "not-yet-valid"),
        (Self::Revoked, "revoked"),
        (Self::WrongUsage, "unusable"),
        (Self::BrokenChain, "untrusted"),
    ];

    fn is_trusted(self) -> bool {
        matches!(self, Self::Trusted | Self::TrustedBelow)
    }
}

/// The authorities of the matrix.
struct Authorities {
    below: Authority,
    other: Authority,
    alike: Authority,
}

impl Authorities {
    fn new() -> Self {
        let no_change = |_: &mut CertificateParams| ();
        Self {
            below: Authority::trusted().below_as("Branch", no_change),
            other: Authority::root("Somebody else"),
            // A CA with the trusted one's name and another key.
            alike: Authority::root("Telephones of dvl-ckl2.net"),
        }
    }

    fn issue(&self, kind: Kind, names: &Wanted) -> Chain {
        let trusted = Authority::trusted();
        match kind {
            Kind::Trusted | Kind::Revoked => trusted.issue(names),
            Kind::TrustedBelow => self.below.issue(names),
            Kind::Untrusted => self.other.issue(names),
            Kind::LookAlike => self.alike.issue(names),
            Kind::SelfSigned => self_signed(names),
            Kind::Expired => trusted.issue(&Wanted { days: Some((-30, -1)), ..names.clone() }),
            Kind::NotYetValid => trusted.issue(&Wanted { days: Some((1, 30)), ..names.clone() }),
            Kind::WrongUsage => {
                trusted.issue(&Wanted { usage: Some(ExtendedKeyUsagePurpose::ServerAuth), ..names.clone() })
            }
            Kind::BrokenChain => {
                let mut chain = self.below.issue(names);
                chain.certificates.truncate(1);
                chain
            }
        }
    }
}

/// The names of the certificate, and whether they prove [`NAME`].
fn names() -> Vec<(&'static str, Wanted, bool)> {
    let email = |address: &str| vec![SanType::Rfc822Name(address.try_into().unwrap())];
    let uri = |uri: &str| vec![SanType::URI(uri.try_into().unwrap())];
    let only = |alternative| Wanted { alternative, ..Wanted::default() };
    let with = |name: &str, alternative| Wanted { alternative, ..Wanted::named(name) };
    let twice =
        |one: &str, two: &str| Wanted { common_names: vec![one.into(), two.into()], ..Wanted::default() };
    vec![
        ("right", Wanted::named("ckl"), true),
        ("other", Wanted::named("other"), false),
        ("prefix", Wanted::named("ck"), false),
        ("longer", Wanted::named("ckl2"), false),
        ("suffix", Wanted::named("kl"), false),
        ("upper case", Wanted::named("CKL"), true),
        ("SAN only, email", only(email("ckl@dvl-ckl2.net")), true),
        ("SAN only, URI", only(uri("sip:ckl@dvl-ckl2.net")), true),
        ("SAN of another PBX", only(email("ckl@other.example")), false),
        ("CN against SAN", with("other", email("ckl@dvl-ckl2.net")), true),
        ("SAN against CN", with("ckl", email("other@dvl-ckl2.net")), true),
        ("two CNs", twice("ckl", "other"), false),
        ("two CNs that agree", twice("ckl", "CKL"), true),
        ("empty", Wanted::named(""), false),
        ("with NUL", Wanted::named("ckl\0.evil.example"), false),
        ("with NUL at the end", Wanted::named("ckl\0"), false),
        ("wildcard", Wanted::named("*"), false),
    ]
}

#[test]
fn only_a_trusted_certificate_with_the_name_leads_to_tls() {
    within(240, || {
        let (pbx, authorities) = (Pbx::start(), Authorities::new());
        let front = front(&pbx.host(HOST, "", ""));
        let cells: Vec<_> = Kind::ALL
            .into_iter()
            .flat_map(|(kind, verdict)| names().into_iter().map(move |names| (kind, verdict, names)))
            .map(|(kind, verdict, (what, wanted, proves))| {
                (kind, verdict, what, authorities.issue(kind, &wanted), proves)
            })
            .collect();
        let revoked: Vec<&Chain> = cells
            .iter()
            .filter(|(kind, ..)| *kind == Kind::Revoked)
            .map(|(_, _, _, chain, _)| chain)
            .collect();
        write(&front.dir().join("trust"), &[("telephones.crl", &Authority::trusted().revoke(&revoked, 30))]);
        let portward = front.start();
        let mut done = 0;
        for (kind, verdict, what, chain, proves) in &cells {
            for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
                for spoken in Spoken::BOTH {
                    let config = chain.client(version);
                    for resumed in [false, true] {
                        let cell = format!(
                            "{kind:?}, {what}, {:?}, {spoken:?}, resumed: {resumed}",
                            version.version
                        );
                        let mark = portward.mark();
                        let before = pbx.seen(spoken);
                        let mut client = by_tls(&portward, spoken, &config);
                        assert_eq!(client.is_resumed(), resumed, "{cell}");
                        let expected = if kind.is_trusted() && *proves { "TLS" } else { "plain" };
                        assert_eq!(
                            spoken.register(&mut client, NAME, HOST).as_deref(),
                            Some(expected),
                            "{cell}"
                        );
                        let [plain, tls] = pbx.seen(spoken);
                        let arrived = [plain - before[0], tls - before[1]];
                        assert_eq!(arrived, if expected == "TLS" { [0, 1] } else { [1, 0] }, "{cell}");
                        portward.decision_after(mark, &[&format!(" cert={verdict}"), "-> 127.0.0.1:"]);
                        done += 1;
                    }
                }
            }
        }
        assert_eq!(done, Kind::ALL.len() * names().len() * 2 * 2 * 2);
    });
}

#[test]
fn without_a_certificate_or_without_tls_it_is_plain() {
    within(60, || {
        let pbx = Pbx::start();
        let portward = front(&pbx.host(HOST, "", "")).start();
        for spoken in Spoken::BOTH {
            let mut client = crate::harness::Wire::tls(portward.port(spoken.key(true)), HOST);
            assert_eq!(spoken.register(&mut client, NAME, HOST).as_deref(), Some("plain"));
            portward.decision(&[&format!("{}:", spoken.key(true)), " cert=none -> "]);
            let mut client = crate::harness::Wire::plain(portward.port(spoken.key(false)));
            assert_eq!(spoken.register(&mut client, NAME, HOST).as_deref(), Some("plain"));
            let line = portward.decision(&[&format!("{}:", spoken.key(false)), " -> "]);
            assert!(!line.contains("cert="), "{line}");
            assert_eq!(pbx.seen(spoken), [2, 0]);
        }
    });
}

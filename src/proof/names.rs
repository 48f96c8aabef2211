//! The names in a certificate.

use std::fmt;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AttributeTypeAndValue;

/// The number of digits of a hardware ID: a MAC address without separators.
const HARDWARE_ID: usize = 12;
/// The most names of a certificate. Every URI of a message is compared with all of them. A certificate of 64 KiB could
/// have ten thousand names, and a message as many URIs. Public CAs put a hundred names into one. A telephone's
/// certificate has a few.
const NAME_LIMIT: usize = 256;
/// The longest name of a device's interface, in octets.
const INTERFACE: usize = 32;
/// BMPString (X.680 §41), which x509-parser leaves as octets.
const BMP_STRING: u32 = 30;

/// A name that a client claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The name, as it is registered.
    pub name: &'a str,
    /// The host at which it is claimed: the host of the From URI, or of the gatekeeper identifier.
    pub host: &'a str,
}

/// The names in a certificate: the common names of its subject, and those subject alternative names that a user or a
/// device can have (RFC 5280 §4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    common: Vec<Box<str>>,
    /// A common name could not be read. Then no common name counts.
    unclear: bool,
    dns: Vec<Box<str>>,
    /// User and host of URIs and email addresses.
    accounts: Vec<(Box<str>, Box<str>)>,
}

impl Names {
    /// The names of a certificate. `None`: they cannot be read, or there are more than `NAME_LIMIT`.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut names = Self::default();
        for attribute in certificate.subject().iter_common_name() {
            match text(attribute) {
                Some(text) => names.common.push(text.into()),
                None => names.unclear = true,
            }
        }
        let alternative = certificate.subject_alternative_name().ok()?;
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.dns.push((*name).into()),
                GeneralName::RFC822Name(address) => names.accounts.extend(account(address)),
                GeneralName::URI(uri) => names.accounts.extend(without_scheme(uri).and_then(account)),
                _ => {}
            }
        }
        let count = names.common.len() + names.dns.len() + names.accounts.len();
        (count <= NAME_LIMIT).then_some(names)
    }

    /// The names in a text such as `CN=ckl` or `CN=ckl,EMAIL=ckl@example.net`. `DNS=` and `URI=` are read as well.
    /// `None`: the text has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut names = Self::default();
        for part in text.split(',') {
            let (kind, value) = part.trim().split_once('=')?;
            match kind.to_ascii_uppercase().as_str() {
                "CN" => names.common.push(value.into()),
                "DNS" => names.dns.push(value.into()),
                "EMAIL" => names.accounts.push(account(value)?),
                "URI" => names.accounts.push(account(without_scheme(value)?)?),
                _ => return None,
            }
        }
        Some(names)
    }

    /// Whether the certificate has the claimed name, without regard to (ASCII) case. It must equal all of the common
    /// names, or one of the subject alternative names.
    pub fn prove(&self, claim: Claim<'_>) -> bool {
        let common = !self.unclear && !self.common.is_empty();
        common && self.common.iter().all(|own| is_common_name(own, claim.name))
            || self.dns.iter().any(|own| is_name(own, claim.name))
            || self.accounts.iter().any(|(user, host)| is_account(user, host, claim))
    }
}

/// Whether a name of the certificate equals `name`. A name with a wildcard or a control character equals no name.
fn is_name(own: &str, name: &str) -> bool {
    // The comparison is first, because almost every name differs.
    own.eq_ignore_ascii_case(name) && !own.is_empty() && !own.contains(|c: char| c == '*' || c.is_control())
}

/// Whether a common name proves `name`. A device with several interfaces registers each of them under its hardware ID
/// and the interface's name.
fn is_common_name(own: &str, name: &str) -> bool {
    if is_name(own, name) {
        return true;
    }
    let hardware = own.len() == HARDWARE_ID && own.bytes().all(|octet| octet.is_ascii_hexdigit());
    let interface = name.split_at_checked(HARDWARE_ID).and_then(|(id, rest)| {
        let interface = rest.strip_prefix('-')?;
        (is_name(own, id)).then_some(interface)
    });
    hardware
        && interface.is_some_and(|interface| {
            (1..=INTERFACE).contains(&interface.len())
                && interface.bytes().all(|octet| octet.is_ascii_alphanumeric())
        })
}

/// Whether `user@host` of the certificate proves the claim. If the claimed name contains a host, it must be the claimed
/// host.
fn is_account(user: &str, host: &str, claim: Claim<'_>) -> bool {
    let name = match claim.name.split_once('@') {
        Some((name, at)) if at.eq_ignore_ascii_case(claim.host) => name,
        Some(_) => return false,
        None => claim.name,
    };
    is_name(user, name) && is_name(host, claim.host)
}

/// Reads `user@host`. Any other form is refused.
fn account(text: &str) -> Option<(Box<str>, Box<str>)> {
    let (user, host) = text.split_once('@')?;
    let plain = |text: &str| !text.is_empty() && !text.contains(['@', ':', ';', '?', '%', '<', '>', ' ']);
    (plain(user) && plain(host)).then(|| (user.into(), host.into()))
}

/// The rest of a SIP or H.323 URI after its scheme (RFC 3261 §19.1, RFC 3508).
fn without_scheme(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    ["sip", "sips", "h323"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    if let Ok(text) = attribute.as_str() {
        return Some(text.to_owned());
    }
    let value = attribute.attr_value();
    if value.header.tag().0 != BMP_STRING {
        return None;
    }
    let (units, []) = value.data.as_chunks() else { return None };
    char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).collect::<Result<_, _>>().ok()
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accounts = self.accounts.iter().map(|(user, host)| format!("{user}@{host}"));
        let all = self.common.iter().chain(&self.dns).map(ToString::to_string).chain(accounts);
        for (number, name) in all.enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proves(names: &str, name: &str) -> bool {
        Names::parse(names).unwrap().prove(Claim { name, host: "dvl-ckl2.net" })
    }

    #[test]
    fn a_name_is_the_whole_name() {
        for (names, good, bad) in [
            (
                "CN=ckl",
                &["ckl", "CKL"][..],
                &["", "ck", "kl", "ckl2", "ckl ", " ckl", "ckl\0", "ckl-SIP1"][..],
            ),
            ("CN=CKL", &["ckl"], &["ck"]),
            ("CN=", &[], &["", "-", "@dvl-ckl2.net"]),
            ("CN=*", &[], &["*", "ckl"]),
            ("DNS=*.dvl-ckl2.net", &[], &["ckl.dvl-ckl2.net", "*.dvl-ckl2.net"]),
            ("CN=ckl,CN=CKL", &["ckl"], &["ck"]),
            ("CN=ckl,CN=other", &[], &["ckl", "other"]),
            ("CN=other,DNS=ckl", &["ckl", "other"], &["ck"]),
            ("CN=ckl\0", &[], &["ckl\0", "ckl"]),
            ("CN=müller", &["müller"], &["MÜLLER", "muller"]),
            ("CN=\u{212a}kl", &["\u{212a}kl"], &["kkl"]),
        ] {
            for name in good {
                assert!(proves(names, name), "{names}: {name}");
            }
            for name in bad {
                assert!(!proves(names, name), "{names}: {name}");
            }
        }
    }

    #[test]
    fn a_hardware_id_has_interfaces() {
        let long = format!("009033410004-{}", "x".repeat(33));
        for (name, good) in [
            ("009033410004", true),
            ("009033410004-SIP1", true),
            ("009033410004-", false),
            ("009033410004-SIP1-2", false),
            ("009033410004-SIP 1", false),
            ("009033410004SIP1", false),
            ("00903341000-SIP1", false),
            ("009033410005-SIP1", false),
            ("0090334100é-SIP1", false),
            (long.as_str(), false),
        ] {
            assert_eq!(proves("CN=009033410004", name), good, "{name}");
        }
        assert!(proves("CN=00903341000A", "00903341000a-SIP1"));
        assert!(!proves("DNS=009033410004", "009033410004-SIP1"), "of the common name only");
        assert!(!proves("CN=00903341000g", "00903341000g-SIP1"));
    }

    #[test]
    fn accounts_need_user_and_host() {
        for names in ["EMAIL=ckl@dvl-ckl2.net", "URI=sip:ckl@DVL-ckl2.net", "URI=SIPS:ckl@dvl-ckl2.net"] {
            assert!(proves(names, "ckl") && proves(names, "ckl@dvl-ckl2.net"), "{names}");
            for name in
                ["ck", "dvl-ckl2.net", "ckl@", "ckl@other.example", "@dvl-ckl2.net", "ckl@dvl-ckl2.net@x"]
            {
                assert!(!proves(names, name), "{names}: {name}");
            }
        }
        assert!(!proves("EMAIL=ckl@other.example", "ckl"));
        assert!(!proves("EMAIL=ckl@other.example", "ckl@other.example"), "another PBX's");
        let elsewhere = Claim { name: "ckl", host: "dvl-ckl2.net/branch-b" };
        assert!(!Names::parse("EMAIL=ckl@dvl-ckl2.net").unwrap().prove(elsewhere));
        for text in [
            "ckl",
            "O=x",
            "EMAIL=ckl",
            "URI=tel:1@x",
            "URI=sip:a:b@x",
            "URI=sip:a@x;user=phone",
            "EMAIL=a@b@c",
        ] {
            assert!(Names::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn certificates_say_the_same_as_texts() {
        use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};
        let key = KeyPair::generate().unwrap();
        let of = |common: &[DnValue], alternative: Vec<SanType>| {
            let mut params = CertificateParams::default();
            for (number, name) in common.iter().enumerate() {
                // rcgen keeps one value for each type. This is the same type under another name.
                let kind =
                    if number == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
                params.distinguished_name.push(kind, name.clone());
            }
            params.subject_alt_names = alternative;
            Names::of(params.self_signed(&key).unwrap().der()).unwrap()
        };
        let utf8 = |text: &str| DnValue::Utf8String(text.to_owned());
        let uri = SanType::URI("sip:ckl@dvl-ckl2.net".try_into().unwrap());
        let email = SanType::Rfc822Name("a@b.example".try_into().unwrap());
        let dns = SanType::DnsName("phone.example".try_into().unwrap());
        let address = SanType::IpAddress("192.0.2.1".parse().unwrap());
        let many = |count: usize| (0..count).map(|_| dns.clone()).collect();
        let certificate = |alternative: Vec<SanType>| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "ckl");
            params.subject_alt_names = alternative;
            Names::of(params.self_signed(&key).unwrap().der())
        };
        assert!(certificate(many(NAME_LIMIT - 1)).is_some());
        assert_eq!(certificate(many(NAME_LIMIT)), None, "issue 15, B9");
        let names = of(&[utf8("ckl")], vec![uri, email, dns, address]);
        assert_eq!(names.to_string(), "ckl,phone.example,ckl@dvl-ckl2.net,a@b.example");
        assert_eq!(of(&[utf8("a"), utf8("b")], vec![]).to_string(), "a,b");
        assert_eq!(of(&[utf8("a\0b")], vec![]), Names { common: vec!["a\0b".into()], ..Names::default() });
        let bmp = DnValue::BmpString("büro".try_into().unwrap());
        assert!(of(&[bmp], vec![]).prove(Claim { name: "büro", host: "" }));
        let odd = DnValue::UniversalString("ckl".try_into().unwrap());
        let odd = of(&[odd, utf8("ckl")], vec![]);
        assert!(odd.unclear && !odd.prove(Claim { name: "ckl", host: "" }));
        assert_eq!(Names::of(b"nonsense"), None);
    }
}

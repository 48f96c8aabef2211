//! H.323: every alias of a registration, and what may follow on a connection that went out as proven.

use super::{Claim, Names};
use crate::inspect::h323::{Alias, Ask, Other, Registration};
use crate::reason::Reason;
use crate::rules::Numbers;

/// What a certificate says of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It proves every name, and there is one.
    Proven,
    /// There is no name to prove, and none is registered.
    NoName,
    /// It does not prove all of it.
    Unproven,
}

/// Holds a registration at `host` against the names of a certificate.
///
/// A number (dialledDigits) that the certificate does not have counts as unproven, or is allowed beside a proven name,
/// as `numbers` says. What nobody can hold against a certificate is unproven: prefixes of a gateway, patterns, aliases
/// that are added to whatever there is, kinds of aliases that are not known.
pub fn registration(names: &Names, registration: &Registration, host: &str, numbers: Numbers) -> Finding {
    if registration.adds || registration.unnamed {
        return Finding::Unproven;
    }
    let mut proven = 0_usize;
    for alias in &registration.aliases {
        match alias {
            Alias::Other => return Finding::Unproven,
            _ if names.prove(Claim { name: name(alias), host }) => proven += 1,
            Alias::Digits(_) if numbers == Numbers::WithName => {}
            _ => return Finding::Unproven,
        }
    }
    match (proven, registration.aliases.is_empty()) {
        (1.., _) => Finding::Proven,
        (0, true) => Finding::NoName,
        (0, false) => Finding::Unproven,
    }
}

/// A URL without its scheme, if that is one of a telephone; else the alias as it is.
fn name(alias: &Alias) -> &str {
    match alias {
        Alias::Url(url) => url
            .split_once(':')
            .filter(|(scheme, _)| ["h323", "sip", "sips"].iter().any(|s| scheme.eq_ignore_ascii_case(s)))
            .map_or(url, |(_, rest)| rest),
        Alias::Digits(text) | Alias::H323(text) | Alias::Email(text) => text,
        Alias::Other => "",
    }
}

/// A connection that went out by TLS because its client's certificate proved the name, or because all that it has said is
/// a GatekeeperRequest without any.
#[derive(Debug, Clone)]
pub struct Verified {
    names: Names,
    numbers: Numbers,
    /// A RegistrationRequest was proven.
    registered: bool,
}

impl Verified {
    /// What the first registration at `host` makes of a connection; `None`: it is not proven.
    pub fn begin(names: Names, numbers: Numbers, first: &Registration, host: &str) -> Option<Self> {
        let good = match registration(&names, first, host, numbers) {
            Finding::Proven => true,
            Finding::NoName => !first.registers,
            Finding::Unproven => false,
        };
        good.then_some(Self { names, numbers, registered: first.registers })
    }

    /// Holds what the client says next against that. `host`: where a registration leads.
    ///
    /// # Errors
    /// `other-name` for what is not proven, `malformed` for what cannot be read.
    pub fn judge(&mut self, ask: &Ask, host: &str) -> Result<(), Reason> {
        match ask {
            Ask::Registration(next) => {
                match registration(&self.names, next, host, self.numbers) {
                    Finding::Proven => {}
                    // To look for a gatekeeper is everybody's right; to keep a registration alive its owner's.
                    Finding::NoName if self.registered || !next.registers => {}
                    Finding::NoName | Finding::Unproven => return Err(Reason::OtherName),
                }
                self.registered |= next.registers;
                Ok(())
            }
            // As long as nobody is registered a call has no name either.
            Ask::Setup(_) if !self.registered => Err(Reason::OtherName),
            Ask::Other(Other::Unreadable | Other::Early { readable: false }) => Err(Reason::Malformed),
            Ask::Setup(_) | Ask::KeepAlive | Ask::Other(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::h323::{Setup, Verb};

    fn rrq(aliases: &[Alias]) -> Registration {
        Registration {
            verb: Verb::Registration,
            sequence: 1,
            identifier: None,
            aliases: aliases.to_vec(),
            keep_alive: false,
            registers: true,
            unnamed: aliases.is_empty(),
            adds: false,
        }
    }

    fn grq(aliases: &[Alias]) -> Registration {
        Registration { verb: Verb::Gatekeeper, registers: false, unnamed: false, ..rrq(aliases) }
    }

    fn names() -> Names {
        Names::parse("CN=ckl,EMAIL=ckl@dvl-ckl2.net").unwrap()
    }

    const HOST: &str = "dvl-ckl2.net";

    fn name(text: &str) -> Alias {
        Alias::H323(text.to_owned())
    }

    fn number(text: &str) -> Alias {
        Alias::Digits(text.to_owned())
    }

    #[test]
    fn every_alias_must_be_proven() {
        use Finding::{NoName, Proven, Unproven};
        let url = |text: &str| Alias::Url(text.to_owned());
        let email = |text: &str| Alias::Email(text.to_owned());
        for (aliases, strict, loose) in [
            (vec![name("ckl")], Proven, Proven),
            (
                vec![name("ckl"), name("CKL"), url("h323:ckl@dvl-ckl2.net"), email("ckl@dvl-ckl2.net")],
                Proven,
                Proven,
            ),
            (vec![name("ckl"), name("other")], Unproven, Unproven),
            (vec![name("ckl"), number("200")], Unproven, Proven),
            (vec![number("200")], Unproven, Unproven),
            (vec![number("200"), name("other")], Unproven, Unproven),
            (vec![name("ckl"), Alias::Other], Unproven, Unproven),
            (vec![name("ckl\0")], Unproven, Unproven),
            (vec![name("")], Unproven, Unproven),
            (vec![url("mailto:ckl@dvl-ckl2.net")], Unproven, Unproven),
            (vec![email("ckl@other.example")], Unproven, Unproven),
        ] {
            let all = rrq(&aliases);
            assert_eq!(registration(&names(), &all, HOST, Numbers::Never), strict, "{aliases:?}");
            assert_eq!(registration(&names(), &all, HOST, Numbers::WithName), loose, "{aliases:?}");
        }
        assert_eq!(registration(&names(), &grq(&[]), HOST, Numbers::Never), NoName);
        assert_eq!(registration(&names(), &rrq(&[]), HOST, Numbers::Never), Unproven);
        let adds = Registration { adds: true, ..rrq(&[name("ckl")]) };
        assert_eq!(registration(&names(), &adds, HOST, Numbers::WithName), Unproven);
        let phone = Names::parse("CN=200").unwrap();
        assert_eq!(registration(&phone, &rrq(&[number("200")]), HOST, Numbers::Never), Proven);
    }

    #[test]
    fn the_verdict_holds_for_the_connection() {
        let begin = |first: &Registration| Verified::begin(names(), Numbers::Never, first, HOST);
        let setup = Ask::Setup(Setup { call_reference: 1, destinations: Vec::new() });
        let keep_alive = Registration { keep_alive: true, unnamed: false, ..rrq(&[]) };
        assert!(begin(&rrq(&[name("x")])).is_none() && begin(&rrq(&[])).is_none());
        assert!(begin(&keep_alive).is_none(), "nobody was registered here");
        let ask = |registration: &Registration| Ask::Registration(registration.clone());

        let mut found = begin(&grq(&[])).unwrap();
        for (ask, reason) in [
            (setup.clone(), Reason::OtherName),
            (ask(&keep_alive), Reason::OtherName),
            (ask(&rrq(&[])), Reason::OtherName),
            (ask(&rrq(&[name("x")])), Reason::OtherName),
            (ask(&grq(&[name("x")])), Reason::OtherName),
            (Ask::Other(Other::Unreadable), Reason::Malformed),
            (Ask::Other(Other::Early { readable: false }), Reason::Malformed),
        ] {
            assert_eq!(found.clone().judge(&ask, HOST), Err(reason), "{ask:?}");
        }
        assert_eq!(found.judge(&ask(&grq(&[])), HOST), Ok(()));
        for registered in [begin(&rrq(&[name("ckl")])).unwrap(), {
            found.judge(&ask(&rrq(&[name("ckl")])), HOST).unwrap();
            found
        }] {
            let adds = Registration { adds: true, ..rrq(&[name("ckl")]) };
            for (ask, said) in [
                (setup.clone(), Ok(())),
                (ask(&keep_alive), Ok(())),
                (ask(&rrq(&[name("ckl")])), Ok(())),
                (ask(&grq(&[])), Ok(())),
                (Ask::KeepAlive, Ok(())),
                (Ask::Other(Other::Late), Ok(())),
                (ask(&adds), Err(Reason::OtherName)),
                (ask(&rrq(&[])), Err(Reason::OtherName)),
                (ask(&rrq(&[name("ckl"), number("1")])), Err(Reason::OtherName)),
                (Ask::Other(Other::Unreadable), Err(Reason::Malformed)),
            ] {
                assert_eq!(registered.clone().judge(&ask, HOST), said, "{ask:?}");
            }
        }
    }

    /// What pycrate makes of the standard.
    #[test]
    fn what_else_a_registration_claims_is_seen() {
        use crate::inspect::Inspect;
        use crate::inspect::h323::{Inspector, MESSAGE_LIMIT};
        use crate::relay::h323::answer::tunnel;
        use Finding::{NoName, Proven, Unproven};
        for (file, strict, loose) in [
            ("name", Proven, Proven),
            ("name_number", Unproven, Proven),
            ("number", Unproven, Unproven),
            ("party", Unproven, Unproven),
            ("none", Unproven, Unproven),
            ("alive", NoName, NoName),
            ("additive", Unproven, Unproven),
            ("pattern", Unproven, Unproven),
            ("gateway", Proven, Proven),
            ("gateway_prefix", Unproven, Unproven),
            ("gateway_newer", Unproven, Unproven),
        ] {
            let octets = std::fs::read(format!("tests/fixtures/h323/claims/{file}.bin")).unwrap();
            let found = Inspector::new(MESSAGE_LIMIT).inspect(&tunnel(&[&octets]));
            let Inspect::Found { ask: Ask::Registration(read), .. } = found else {
                panic!("{file}: {found:?}")
            };
            assert_eq!(read.identifier.as_deref(), Some(HOST), "{file}");
            assert_eq!(registration(&names(), &read, HOST, Numbers::Never), strict, "{file}: {read:?}");
            assert_eq!(registration(&names(), &read, HOST, Numbers::WithName), loose, "{file}: {read:?}");
        }
    }
}

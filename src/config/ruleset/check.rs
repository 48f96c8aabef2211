//! How a target's address is checked: `check` and the keys beside it (contract section 8, Health).

use std::num::NonZeroU16;
use std::time::Duration;

use super::super::report::Fault;
use super::super::values::duration;
use super::super::walk::{Section, Value};
use crate::rules::{Check, LONGEST_FAILBACK, Probe};
use crate::service::Service;

// The default interval (contract section 8, Health).
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(5);
const RISE: u32 = 2;
const FALL: u32 = 3;

/// The shortest interval. More frequent checks are a burden and find nothing more.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// The longest timeout. Few connections are available for checks.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The greatest number of checks in a row.
const MOST: u32 = 100;
/// The longest path.
const PATH: usize = 1024;

/// The words of `check`. For words that need a path, a path is added.
const PROBES: [(&str, Word); 5] =
    [("tcp", Word::Tcp), ("tls", Word::Tls), ("http", Word::Http), ("sip", Word::Sip), ("ldap", Word::Ldap)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Tcp,
    Tls,
    Http,
    Sip,
    Ldap,
}

/// Reads `check` and the keys that belong to it.
pub(super) fn read(section: &mut Section<'_>) -> Option<Check> {
    let word = section.get("check").map(|value| (value.choice(&PROBES), value));
    let path = section.get("check_path");
    let others =
        ["check_interval", "check_timeout", "check_port", "rise", "fall"].map(|key| section.get(key));
    let Some((word, _)) = word else {
        for value in others.iter().flatten().chain(&path) {
            let fault = Fault::new(format!("`{}` says nothing without `check`", value.key));
            value.error_at_key(fault.help("add check = \"tcp\", \"tls\", \"http\", \"sip\" or \"ldap\""));
        }
        return None;
    };
    if let Some(path) = &path
        && word.is_some_and(|word| word != Word::Http)
    {
        let fault = Fault::new("`check_path` says nothing here: only check = \"http\" asks for a path");
        path.error_at_key(fault);
    }
    let [interval, timeout, port, rise, fall] = others;
    let path = path.and_then(|value| value.parsed("a path as \"/health\"", request_path));
    let path = path.unwrap_or_else(|| "/".into());
    let interval = interval.as_ref().and_then(between_checks).unwrap_or(INTERVAL);
    let check = Check {
        probe: match word? {
            Word::Tcp => Probe::Tcp,
            Word::Tls => Probe::Tls,
            Word::Http => Probe::Http { path },
            Word::Sip => Probe::Sip,
            Word::Ldap => Probe::Ldap,
        },
        interval,
        timeout: timeout
            .as_ref()
            .and_then(|value| of_one_check(value, interval))
            .unwrap_or(TIMEOUT.min(interval)),
        port: port.as_ref().and_then(|value| value.integer(1..=65_535)).and_then(to_port),
        rise: rise.as_ref().and_then(|value| value.integer(1..=MOST)).unwrap_or(RISE),
        fall: fall.as_ref().and_then(|value| value.integer(1..=MOST)).unwrap_or(FALL),
    };
    Some(check)
}

/// Reads `failback`, which also matters without checks.
pub(super) fn failback(value: &Value<'_>) -> Option<Duration> {
    let wait = duration(value)?;
    if wait > LONGEST_FAILBACK {
        value.error(Fault::new("`failback` is longer than a day"));
        return None;
    }
    Some(wait)
}

/// The warning about a check without an effect: no rule for its service leads to its target. This is no error, and
/// neither is a target without any rule. The rule may be in another file, and may have been removed with it.
pub(super) fn idle(service: Service) -> Fault {
    let name = service.name().to_uppercase();
    Fault::new(format!("this check says nothing: no {name} rule leads to this target"))
        .label(format!("it judges {name} alone"))
        .help(format!(
            "add a rule for {name} with this target, or write check = \"tcp\", which judges every port"
        ))
}

fn to_port(number: u32) -> Option<NonZeroU16> {
    u16::try_from(number).ok().and_then(NonZeroU16::new)
}

fn between_checks(value: &Value<'_>) -> Option<Duration> {
    let interval = duration(value)?;
    if interval < SHORTEST_INTERVAL {
        value.error(Fault::new("checks come once a second at most").help("write \"1s\" or more"));
        return None;
    }
    Some(interval)
}

fn of_one_check(value: &Value<'_>, interval: Duration) -> Option<Duration> {
    let timeout = duration(value)?;
    let fault = if timeout > LONGEST_TIMEOUT {
        Fault::new("`check_timeout` is longer than a minute")
    } else if timeout > interval {
        let fault = Fault::new("a check may take longer than the time to the next one");
        fault.help("write a `check_timeout` that is not longer than `check_interval`")
    } else {
        return Some(timeout);
    };
    value.error(fault);
    None
}

/// A path for the request line of a check: visible ASCII (RFC 9112 §3.2.1).
fn request_path(text: &str) -> Result<Box<str>, Fault> {
    if !text.starts_with('/') {
        return Err(Fault::new("the path does not begin with a slash").help(format!("write \"/{text}\"")));
    }
    if let Some(at) = text.bytes().position(|octet| !octet.is_ascii_graphic() || octet == b'#') {
        let part = text
            .char_indices()
            .find(|(start, _)| *start >= at)
            .map_or(at..at, |(start, c)| start..start + c.len_utf8());
        return Err(Fault::new("this cannot stand in the path of a request")
            .at(part)
            .label("write it percent-encoded"));
    }
    if text.len() > PATH {
        return Err(Fault::new(format!("the path has more than {PATH} characters")));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, load_rules};

    /// The check and the failback of `[target."172.31.31.2"]` with these lines.
    fn said(lines: &str) -> (Option<Check>, Option<Duration>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        let host = "[[host]]\nname = \"a.example.net\"\ntarget = \"172.31.31.2\"\nsip = true\n";
        std::fs::write(&file, format!("{host}[target.\"172.31.31.2\"]\n{lines}")).unwrap();
        let rules = load_rules(&file, &Config::defaults(&folder.path().join("portward.toml")));
        let table = rules.table.unwrap_or_else(|| panic!("{}", rules.diagnostics.render(false)));
        let options = table.endpoints().next().unwrap()[0].options.clone();
        (options.check.clone(), options.failback)
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let (check, failback) = said("check = \"sip\"\n");
        let expected =
            Check { probe: Probe::Sip, interval: INTERVAL, timeout: TIMEOUT, port: None, rise: 2, fall: 3 };
        assert_eq!((check, failback), (Some(expected), None));
        assert_eq!(said("failback = \"5s\"\n"), (None, Some(Duration::from_secs(5))));
        // The timeout of a frequent check is at most its interval.
        let (check, _) = said("check = \"tcp\"\ncheck_interval = \"2s\"\n");
        assert_eq!(check.unwrap().timeout, Duration::from_secs(2));
    }

    #[test]
    fn everything_can_be_said() {
        let all = "check = \"http\"\ncheck_path = \"/health?x=%20\"\ncheck_interval = \"10s\"\ncheck_timeout = \"2s\"\n\
                   check_port = 8080\nrise = 1\nfall = 5\n";
        let expected = Check {
            probe: Probe::Http { path: "/health?x=%20".into() },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            port: NonZeroU16::new(8080),
            rise: 1,
            fall: 5,
        };
        assert_eq!(said(all).0, Some(expected));
    }
}

//! Texts of the commands of `portward cert`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use time::OffsetDateTime;

use super::super::terminal;
use crate::config::Diagnostics;
use crate::tls::Facts;

/// Writes diagnostics to standard error.
pub(super) fn complain_of(found: &Diagnostics) {
    let shown = found.render(std::io::stderr().is_terminal());
    if !shown.is_empty() {
        terminal::complain(shown.trim_end_matches('\n'));
    }
}

pub(super) fn fail(message: impl std::fmt::Display, help: &str) -> ExitCode {
    terminal::complain(format_args!("error: {message}"));
    if !help.is_empty() {
        terminal::complain(format_args!("  help: {help}"));
    }
    ExitCode::from(terminal::NO)
}

/// The content of a certificate, line by line.
fn describe(facts: &Facts) -> Vec<(&'static str, String)> {
    let names = if facts.names.is_empty() { "none".to_owned() } else { facts.names.join(", ") };
    vec![
        ("names", terminal::harmless(&names)),
        ("subject", terminal::harmless(&facts.subject)),
        ("issuer", terminal::harmless(&facts.issuer)),
        ("valid", validity(facts, OffsetDateTime::now_utc())),
        ("key", facts.key.clone()),
        ("fingerprint", format!("sha256:{}", facts.fingerprint_hex())),
    ]
}

fn validity(facts: &Facts, now: OffsetDateTime) -> String {
    let days = (facts.not_after - now).whole_days();
    let state = match days {
        _ if facts.not_after < now => "EXPIRED".to_owned(),
        _ if now < facts.not_before => "NOT YET VALID".to_owned(),
        0 => "ends within a day".to_owned(),
        1 => "1 day left".to_owned(),
        days => format!("{days} days left"),
    };
    format!("{} to {}, {state}", facts.not_before.date(), facts.not_after.date())
}

pub(super) fn say_facts(facts: &Facts) {
    for (what, text) in describe(facts) {
        terminal::print_line(format_args!("  {what:<12} {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{DevCa, Validity};

    #[test]
    fn validity_is_said_in_words() {
        let ca = DevCa::new().unwrap();
        let now = OffsetDateTime::now_utc();
        for (from, until, expected) in [
            (-9, -1, "EXPIRED"),
            (1, 9, "NOT YET VALID"),
            (-9, 0, "EXPIRED"),
            (-9, 1, "ends within a day"),
            (-9, 10, "9 days left"),
        ] {
            let issued = ca.server_valid(&["a.example"], Validity::days(from, until)).unwrap();
            let said = validity(&Facts::of(issued.der()).unwrap(), now + time::Duration::seconds(2));
            assert!(said.ends_with(expected), "{said}");
        }
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(crate::cli::terminal::harmless("CN=\x1b[2Jx\r\nü"), "CN=\\u{1b}[2Jx\\r\\nü");
    }
}

//! Names expiring certificates in the log: 30, 7 and 1 days before the end, and when they have expired.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

use super::Certificate;

/// Days before the end at which a reminder is due, beginning with the latest.
const DAYS: [i64; 4] = [0, 1, 7, 30];

/// The reminders that were given.
#[derive(Debug, Default)]
pub struct Reminder {
    /// For each fingerprint the last reminder that was given, as one of [`DAYS`].
    said: HashMap<[u8; 32], i64>,
}

impl Reminder {
    /// The reminders that are due at `now` for the certificates in use. Each is given once.
    pub fn due<'a>(
        &mut self,
        certificates: impl Iterator<Item = &'a Certificate>,
        now: OffsetDateTime,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let mut said = HashMap::new();
        for Certificate { file, facts, .. } in certificates {
            let left = facts.not_after - now;
            let Some(days) = DAYS.into_iter().find(|days| left <= Duration::days(*days)) else { continue };
            if self.said.get(&facts.fingerprint) != Some(&days)
                && said.insert(facts.fingerprint, days).is_none()
            {
                let (file, end) = (file.display(), facts.not_after.date());
                lines.push(match days {
                    0 => format!("the certificate {file} expired on {end}"),
                    _ => format!(
                        "the certificate {file} expires on {end}, within {days} {}",
                        if days == 1 { "day" } else { "days" }
                    ),
                });
            }
            said.insert(facts.fingerprint, days);
        }
        self.said = said;
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CertificateFiles;
    use crate::tls::{DevCa, Validity};

    #[test]
    fn every_milestone_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let issued = DevCa::new().unwrap().server_valid(&["a.example"], Validity::days(-1, 40)).unwrap();
        let files = CertificateFiles { cert: folder.path().join("a.crt"), key: folder.path().join("a.key") };
        std::fs::write(&files.cert, &issued.cert_pem).unwrap();
        std::fs::write(&files.key, &issued.key_pem).unwrap();
        let start = OffsetDateTime::now_utc();
        let certificate = Certificate::load(&files, start).0.unwrap();
        let mut reminder = Reminder::default();
        let mut said = Vec::new();
        for hour in 0..24 * 45 {
            let now = start + Duration::hours(hour);
            said.extend(
                reminder
                    .due([&certificate, &certificate].into_iter(), now)
                    .into_iter()
                    .map(|line| (hour, line)),
            );
        }
        let expected = [
            (24 * 10, "within 30 days"),
            (24 * 33, "within 7 days"),
            (24 * 39, "within 1 day"),
            (24 * 40, "expired on"),
        ];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for ((hour, line), (at, text)) in said.iter().zip(expected) {
            assert!((at..=at + 1).contains(hour) && line.contains(text), "{hour}: {line}");
        }
    }
}

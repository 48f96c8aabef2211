//! Moments in answers: RFC 3339 text in UTC, with milliseconds.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::macros::format_description;

/// The moment as `2026-11-26T08:00:00.000Z`.
pub(super) fn utc(moment: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    // A moment after the year 9999 has no such text. The clock of a running machine has no such time.
    OffsetDateTime::from(moment).format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moment_is_text_in_utc() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_785_000_000_250);
        assert_eq!(utc(moment), "2026-07-25T17:20:00.250Z");
    }
}

//! Whether a connection stays when its address is listed (contract section 6): it does if a PBX has confirmed a registration
//! or a bind on it, but not if the failed logins that listed the address came on it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::scoring::MINUTE;

/// The facts that decide this for one connection. Times are milliseconds, which may wrap.
#[derive(Debug, Default)]
pub struct Exemption {
    confirmed: AtomicBool,
    /// When the last login failed, in milliseconds. 0: no login has failed.
    failed: AtomicU32,
}

impl Exemption {
    /// A PBX has confirmed a registration or a bind.
    pub(super) fn confirm(&self) {
        self.confirmed.store(true, Ordering::Relaxed);
    }

    /// A PBX has refused a login.
    pub(super) fn fail(&self, now: u32) {
        self.failed.store(now.max(1), Ordering::Relaxed);
    }

    /// Whether the connection stays when its address is listed at `now`.
    pub(super) fn holds(&self, now: u32) -> bool {
        let failed = self.failed.load(Ordering::Relaxed);
        // Offences count together within a minute. So a failed login within that minute has helped to list the address.
        let took_part = failed != 0 && now.wrapping_sub(failed) <= MINUTE;
        self.confirmed.load(Ordering::Relaxed) && !took_part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_guessed_within_the_minute_does_not_stay() {
        let exemption = Exemption::default();
        assert!(!exemption.holds(5), "nothing was confirmed");
        exemption.confirm();
        assert!(exemption.holds(5));
        exemption.fail(u32::MAX - 10);
        assert!(!exemption.holds(u32::MAX) && !exemption.holds(59_000));
        assert!(exemption.holds(60_001), "the failed login was in another minute");
        exemption.fail(0);
        assert!(!exemption.holds(1));
    }
}

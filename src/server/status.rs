//! The one line of `systemctl status`: which services are open, which are not, and why.

use std::sync::PoisonError;

use super::Server;
use crate::service::Service;
use crate::state::Snapshot;

/// The longest status, in characters.
const LONGEST: usize = 500;

impl Server {
    /// Tells the manager that everything is ready, with the status. This also ends a reload.
    pub(super) fn tell_ready(&self) {
        let status = self.status();
        self.manager.ready(&status);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Tells the manager the status, if it has changed.
    pub(super) fn tell_status(&self) {
        let status = self.status();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != status {
            self.manager.status(&status);
            *told = status;
        }
    }

    fn status(&self) -> String {
        let snapshot = self.shared.snapshot.load();
        let mut parts = vec![format!(
            "serving {} hosts on {} sockets",
            snapshot.table.len(),
            self.sockets.borrow().len()
        )];
        if self.shared.was_reload_refused() {
            parts.push("the last reload was refused".to_owned());
        }
        parts.extend(closed(&snapshot));
        parts.extend(self.shared.not_stored());
        one_line(&parts.join("; "))
    }
}

/// The TLS services that are closed, and why.
fn closed(snapshot: &Snapshot) -> Option<String> {
    let why = snapshot.server_tls.missing()?;
    let listeners = snapshot.config.listen.listeners.iter();
    let wanted: Vec<_> = listeners.map(|one| (one.service, one.transport)).collect();
    let tls = Service::by_transport().filter(|one| one.1.is_tls() && wanted.contains(one));
    let names: Vec<_> = tls.map(|(service, transport)| service.scheme(transport)).collect();
    (!names.is_empty()).then(|| format!("{} closed: {why}", names.join(", ")))
}

/// The text on one line for the manager. Names of files may contain line ends.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(LONGEST).map(plain).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Item 25: a status is one line of a bounded length, whatever the names of files contain.
    #[test]
    fn item_25_a_status_is_one_bounded_line() {
        assert_eq!(one_line("serving 1 hosts\nREADY=0\u{7f}"), "serving 1 hosts READY=0 ");
        let long = one_line(&"ä".repeat(LONGEST + 1));
        assert_eq!((long.chars().count(), long.chars().last()), (LONGEST + 1, Some('…')));
        assert_eq!(one_line(&"ä".repeat(LONGEST)).chars().count(), LONGEST);
    }
}

//! The drain: no new connections are accepted, and running ones get time to end.

use std::time::{Duration, Instant};

use super::Server;
use crate::log::Level;

/// How often the manager is told about the progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// How long a tunnel may take to say good-bye to both sides.
const PARTING: Duration = Duration::from_millis(500);

impl Server {
    /// Stops accepting, and lets running connections end within `limits.drain_timeout`. The manager keeps the sockets.
    /// A client that connects meanwhile waits for the next run.
    pub async fn drain(&self) {
        let timeout = self.shared.snapshot.load().config.limits.drain_timeout;
        self.sockets.send_replace(Vec::new());
        self.draining.cancel();
        // This is also sent if no connection is open. Otherwise the manager would take the service for a running one.
        self.tell_progress(timeout);
        let deadline = Instant::now() + timeout;
        tokio::select! {
            () = self.to_the_end(deadline) => {}
            () = self.feed_watchdog(), if self.pulse.interval().is_some() => {}
        }
    }

    /// Tunnels do not end by themselves. At the deadline they are ended, after a last message to both sides.
    async fn to_the_end(&self, deadline: Instant) {
        self.drained(deadline).await;
        let ended = self.shared.guard.connections();
        if ended == 0 {
            return self.shared.note(Level::Info, "stopped: every connection had ended");
        }
        self.shared.end_tunnels();
        self.drained(Instant::now() + PARTING).await;
        let cut = match self.shared.guard.connections() {
            0 => String::new(),
            left => format!(", {left} of them amid a request"),
        };
        let connections = if ended == 1 { "connection was" } else { "connections were" };
        self.shared
            .note(Level::Warning, &format!("stopped: {ended} {connections} ended when the time was up{cut}"));
    }

    /// Waits until the last connection has ended, or until `deadline`.
    async fn drained(&self, deadline: Instant) {
        let mut tell = Instant::now() + PROGRESS;
        loop {
            let (now, connections) = (Instant::now(), self.shared.guard.connections());
            if connections == 0 || now >= deadline {
                return;
            }
            if now >= tell {
                tell = now + PROGRESS;
                self.tell_progress(deadline.saturating_duration_since(now));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn tell_progress(&self, left: Duration) {
        let connections = self.shared.guard.connections();
        let status = format!("draining: {connections} connections, {} s left", left.as_secs());
        self.manager.stopping(left, &status);
    }
}

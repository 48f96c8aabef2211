//! The end: nobody new, and time for those who are there.

use std::time::{Duration, Instant};

use super::Server;
use crate::log::Level;

/// How often the manager is told how the end comes on.
const PROGRESS: Duration = Duration::from_secs(1);

impl Server {
    /// Stops accepting, lets what runs come to its end within `limits.drain_timeout`. The manager keeps the sockets:
    /// who connects meanwhile waits for the next run.
    pub async fn drain(&self) {
        let timeout = self.shared.snapshot.load().config.limits.drain_timeout;
        self.sockets.send_replace(Vec::new());
        self.draining.cancel();
        let deadline = Instant::now() + timeout;
        tokio::select! {
            () = self.drained(deadline) => {}
            () = self.feed_watchdog(), if self.pulse.interval().is_some() => {}
        }
        match self.shared.guard.connections() {
            0 => self.shared.note(Level::Info, "stopped: every connection had ended"),
            1 => self.shared.note(Level::Warning, "stopped: 1 connection was cut off"),
            left => self.shared.note(Level::Warning, &format!("stopped: {left} connections were cut off")),
        }
    }

    /// Waits until the last connection has ended, or until `deadline`.
    async fn drained(&self, deadline: Instant) {
        let mut tell = Instant::now();
        loop {
            let (now, connections) = (Instant::now(), self.shared.guard.connections());
            if connections == 0 || now >= deadline {
                return;
            }
            if now >= tell {
                tell = now + PROGRESS;
                let left = deadline.saturating_duration_since(now);
                let status = format!("draining: {connections} connections, {} s left", left.as_secs());
                self.manager.stopping(left, &status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

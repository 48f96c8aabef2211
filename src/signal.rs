//! Signals: SIGHUP reloads, SIGTERM and SIGINT drain, a second one stops at once.
//!
//! They are listened to before the first socket opens: one that comes while Portward starts is obeyed afterwards,
//! instead of ending the process as it would by default.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log::Level;
use crate::server::Server;

/// The signals that Portward listens to.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen. Needs to be called within a runtime.
    ///
    /// # Errors
    /// If signals cannot be listened to.
    pub fn listen() -> io::Result<Self> {
        let [hangup, terminate, interrupt] =
            [SignalKind::hangup(), SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        Ok(Self { hangup: hangup?, terminate: terminate?, interrupt: interrupt? })
    }

    /// Runs the server until a signal stops it.
    pub async fn serve(mut self, server: &Server) {
        let maintained = server.maintain();
        tokio::pin!(maintained);
        loop {
            tokio::select! {
                () = &mut maintained => {}
                _ = self.hangup.recv() => reload(server),
                () = stop(&mut self.terminate, &mut self.interrupt) => break,
            }
        }
        server.shared().note(Level::Info, "draining: no new connections");
        tokio::select! {
            () = server.drain() => {}
            () = stop(&mut self.terminate, &mut self.interrupt) => {
                server.shared().note(Level::Warning, "stopped at once");
            }
        }
    }
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// All or nothing: a bad file leaves the running table as it is and says why.
fn reload(server: &Server) {
    if let Err(refused) = server.reload() {
        let text = format!("{}\nreload refused: everything stays as it was", refused.text.trim_end());
        server.shared().note(Level::Error, &text);
    }
}

//! Signals: SIGHUP reloads, SIGTERM and SIGINT drain, and a second SIGTERM or SIGINT stops at once.
//!
//! Portward listens to signals before the first socket opens. A signal during the start is obeyed afterwards, instead
//! of ending the process, which is the default. A signal sends the server the same messages as other callers do
//! ([`crate::server::Control`]).

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
    /// Begins to listen. It must be called within a runtime.
    ///
    /// # Errors
    /// The system does not let the process listen to signals.
    pub fn listen() -> io::Result<Self> {
        let [hangup, terminate, interrupt] =
            [SignalKind::hangup(), SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        Ok(Self { hangup: hangup?, terminate: terminate?, interrupt: interrupt? })
    }

    /// Runs the server until a signal stops it.
    pub async fn serve(mut self, server: &Server) {
        let control = server.control();
        let served = server.serve();
        tokio::pin!(served);
        let mut is_stopping = false;
        loop {
            tokio::select! {
                () = &mut served => return,
                _ = self.hangup.recv() => control.hang_up(),
                () = stop(&mut self.terminate, &mut self.interrupt) => {
                    if std::mem::replace(&mut is_stopping, true) {
                        return server.shared().note(Level::Warning, "stopped at once");
                    }
                    control.drain();
                }
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

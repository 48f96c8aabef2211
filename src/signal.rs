//! Signals: SIGHUP reloads, SIGTERM and SIGINT drain, a second one stops at once.
//!
//! They are listened to before the first socket opens: one that comes while Portward starts is obeyed afterwards,
//! instead of ending the process as it would by default. What a signal asks for is a message to the server, as others send
//! it ([`crate::server::Control`]).

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

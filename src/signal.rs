//! Signals: SIGHUP reloads, SIGTERM and SIGINT drain, a second one stops at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log::Level;
use crate::server::Server;

/// Runs the server until a signal stops it.
///
/// # Errors
/// If signals cannot be listened to.
pub async fn serve(server: &Server) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let maintained = server.maintain();
    tokio::pin!(maintained);
    loop {
        tokio::select! {
            () = &mut maintained => {}
            _ = hangup.recv() => reload(server),
            () = stop(&mut terminate, &mut interrupt) => break,
        }
    }
    server.shared().note(Level::Info, "draining: no new connections");
    tokio::select! {
        () = server.drain() => {}
        () = stop(&mut terminate, &mut interrupt) => server.shared().note(Level::Warning, "stopped at once"),
    }
    Ok(())
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

//! The demonstration: everything is on loopback, with throw-away certificates and the rules of the reference network.
//! It uses the same server as `portward run`.
//!
//! `network` makes the network. `standin` plays the PBXs and the app platform, one for each service. `walk` sends the
//! requests and compares every answer with the expected one. `farewell` has the lines to paste after that.

mod decisions;
mod error;
mod farewell;
mod network;
pub mod ras;
mod sip;
mod standin;
mod tenants;
mod visitor;
mod walk;

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin::client;
use crate::log::Log;
use crate::server::{Server, Surroundings};
use decisions::Lines;
pub use error::DemoError;
use network::Network;

/// The pause between checks whether commands and browsers can reach the server, and the number of checks.
const LOOK: (Duration, u32) = (Duration::from_millis(20), 100);

/// Runs the demonstration. `say` gets the text line by line. With `once` the demonstration ends after the walk.
/// Otherwise it stays up until it is interrupted. Returns whether everything went as it should.
///
/// # Errors
/// Why it could not be set up.
pub fn run(once: bool, mut say: impl FnMut(&str)) -> Result<bool, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let good = runtime.block_on(async {
        // The handler is set before the first file is made. So all files are removed, however the demonstration ends.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let network = Network::make().await?;
        let (lines, mut decisions) = mpsc::unbounded_channel();
        let (log, guard) = Log::new(Lines(lines), false);
        let server =
            Server::start(&network.config, log, Surroundings::default()).map_err(DemoError::Refused)?;
        network.introduction().lines().for_each(&mut say);
        let mut good = None;
        let shown = async {
            good = Some(walk::walk(&network, &mut decisions, &mut say).await);
            if !once {
                let link = administration(&network).await;
                farewell::text(&network, link.as_deref()).lines().for_each(&mut say);
                stay(&mut decisions, &mut say).await;
            }
        };
        tokio::select! {
            () = shown => {}
            // The blacklist, its commands, and everything else beside connections.
            () = server.serve() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        server.stop();
        drop(guard);
        // If the walk was interrupted, it did not go as it should.
        Ok::<_, DemoError>(good.unwrap_or(false))
    })?;
    runtime.shutdown_background();
    Ok(good)
}

/// Waits until commands and browsers can ask the server. Returns a link that logs in to the dashboard, or `None` if the server
/// gives none.
async fn administration(network: &Network) -> Option<String> {
    let (pause, times) = LOOK;
    for _ in 0..times {
        if network.socket().exists() && TcpStream::connect(network.admin()).await.is_ok() {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    let socket = network.socket();
    let ask = move || client::ask(&socket, "POST", "/v1/session", None).ok();
    let answer = tokio::task::spawn_blocking(ask).await.ok()??;
    Some(answer.get("link")?.as_str()?.to_owned())
}

/// Shows decision lines as they come.
async fn stay(decisions: &mut mpsc::UnboundedReceiver<String>, say: &mut impl FnMut(&str)) {
    while let Some(line) = decisions.recv().await {
        say(&line);
    }
}

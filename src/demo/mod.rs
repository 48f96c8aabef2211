//! The demonstration: everything on loopback, with throw-away certificates and the seed's rules, through the same
//! server as `portward run`.
//!
//! `network` makes the network, `standin` plays the PBXs and the app platform, a service each, `walk` walks through the requests and
//! holds every answer against what it should be.

mod decisions;
mod error;
mod network;
pub mod ras;
mod standin;
mod visitor;
mod walk;

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::log::Log;
use crate::server::{Server, Surroundings};
use decisions::Lines;
pub use error::DemoError;
use network::Network;

/// Runs the demonstration; `say` gets what there is to read, line by line. With `once` it ends after the walk, else it
/// stays up until it is interrupted. Says whether everything went as it should.
///
/// # Errors
/// What kept it from being set up.
pub fn run(once: bool, mut say: impl FnMut(&str)) -> Result<bool, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let good = runtime.block_on(async {
        let network = Network::make().await?;
        let (lines, mut decisions) = mpsc::unbounded_channel();
        let (log, guard) = Log::new(Lines(lines), false);
        let server =
            Server::start(&network.config, log, Surroundings::default()).map_err(DemoError::Refused)?;
        network.introduction().lines().for_each(&mut say);
        let good = walk::walk(&network, &mut decisions, &mut say).await;
        if !once {
            network.farewell().lines().for_each(&mut say);
            stay(&mut decisions, &mut say).await?;
        }
        server.stop();
        drop(guard);
        Ok::<_, DemoError>(good)
    })?;
    runtime.shutdown_background();
    Ok(good)
}

/// Shows decision lines as they come, until Ctrl-C or SIGTERM: then what was made is removed.
async fn stay(decisions: &mut mpsc::UnboundedReceiver<String>, say: &mut impl FnMut(&str)) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            line = decisions.recv() => match line {
                Some(line) => say(&line),
                None => return Ok(()),
            },
        }
    }
}

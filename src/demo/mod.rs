//! The demonstration: everything on loopback, with throw-away certificates and the seed's rules, through the same
//! server as `portward run`.
//!
//! `network` makes the network, `standin` plays the PBXs and the app platform, a service each, `walk` walks through the requests and
//! holds every answer against what it should be.

mod network;
pub mod ras;
mod standin;
mod visitor;
mod walk;

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::log::Log;
use crate::server::{Refused, Server, Surroundings};
use network::Network;

/// How long a decision line may take to come out of the log.
const LINE_PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no demonstration.
#[derive(Debug)]
pub enum DemoError {
    /// Files, sockets.
    Io(io::Error),
    /// The configuration that was made is none, or the server did not start.
    Refused(Refused),
    /// No certificates.
    Certificates(crate::tls::DevError),
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
            Self::Certificates(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for DemoError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

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

/// The next decision line of the log; notes are passed over.
async fn next_decision(decisions: &mut mpsc::UnboundedReceiver<String>) -> Option<String> {
    let next = async {
        loop {
            let line = decisions.recv().await?;
            if line.starts_with("REVERSE-PROXY") {
                return Some(line);
            }
        }
    };
    tokio::time::timeout(LINE_PATIENCE, next).await.ok().flatten()
}

/// The log's lines as messages.
struct Lines(mpsc::UnboundedSender<String>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in String::from_utf8_lossy(bytes).lines() {
            let _ = self.0.send(line.to_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

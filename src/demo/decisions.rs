//! The decision lines of the log, which the demonstration shows and checks.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;

/// How long a decision line may take to appear in the log.
const LINE_PATIENCE: Duration = Duration::from_secs(3);

/// The next decision line of the log. Notes are skipped.
pub(super) async fn next_decision(decisions: &mut mpsc::UnboundedReceiver<String>) -> Option<String> {
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
pub(super) struct Lines(pub(super) mpsc::UnboundedSender<String>);

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

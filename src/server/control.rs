//! What a running server is asked to do: by signals, over the administration socket and by programs, all by the same
//! messages. The server takes them one at a time, so that two reloads never meet.

use std::fmt;
use std::sync::Arc;

use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::tenants::Waiting;
use super::{HostChange, HostChanged, HostUnchanged, Refused, TenantChange, TenantUnchanged, TenantsChanged};
use crate::accounts::Administrator;
use crate::config::Diagnostics;
use crate::state::Snapshot;

/// How many messages may wait. Whoever sends more waits as well.
const WAITING: usize = 256;
/// How long changes of tenants are gathered at most (contract section 9).
const GATHERED: Duration = Duration::from_millis(100);
/// How long no further change may come before those that are there are made.
const QUIET: Duration = Duration::from_millis(2);
/// How many changes of tenants are made at once.
const BATCH: usize = 512;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A signal.
    Signal,
    /// An administrator.
    Administrator(Administrator),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal => f.write_str("a signal"),
            Self::Administrator(administrator) => administrator.fmt(f),
        }
    }
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Message {
    /// Read everything again and put it in place, or leave everything as it is.
    Reload { by: By, answer: oneshot::Sender<Result<Reloaded, Refused>> },
    /// Enable or disable the host of this name.
    Switch { switch: Switch, by: By, answer: oneshot::Sender<Result<Switched, Unswitched>> },
    /// Make, change or remove a host of the API.
    Host { change: Box<HostChange>, by: By, answer: oneshot::Sender<Result<HostChanged, HostUnchanged>> },
    /// Make, change, remove, enable or disable tenants.
    Tenants(Box<Waiting>),
    /// End the connection of this number. The answer is whether there was one.
    End { id: u64, by: By, answer: oneshot::Sender<bool> },
}

/// A host that is to be enabled or disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    /// Its name or an alias in normal form, a wildcard as it stands.
    pub(super) host: Box<str>,
    pub(super) enabled: bool,
}

/// A host that is now as it was asked to be.
#[derive(Debug)]
pub struct Switched {
    /// The name by which the host is called in logs.
    pub host: Box<str>,
    /// It was not so before.
    pub is_changed: bool,
    /// What is in force.
    pub snapshot: Arc<Snapshot>,
}

/// Why a host is still as it was.
#[derive(Debug)]
pub enum Unswitched {
    /// No rule is for a host of this very name.
    UnknownHost,
    /// It cannot be kept, so that it would not hold over a reload or a restart.
    Unkept(Refused),
}

/// What a reload has replaced, for those who want to know what changed.
#[derive(Debug)]
pub struct Reloaded {
    /// What was in force.
    pub before: Arc<Snapshot>,
    /// What is in force now.
    pub after: Arc<Snapshot>,
    /// The warnings.
    pub found: Diagnostics,
}

/// The server has stopped, or is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping;

impl fmt::Display for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Portward is stopping")
    }
}

impl std::error::Error for Stopping {}

/// Asks a running server. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct Control {
    messages: mpsc::Sender<Message>,
    hang_ups: Arc<Notify>,
    drains: CancellationToken,
}

/// What the server hears.
#[derive(Debug)]
pub(super) struct Heard {
    messages: mpsc::Receiver<Message>,
    /// A signal asks for a reload. Several that come before the server looks are one.
    hang_ups: Arc<Notify>,
    drains: CancellationToken,
}

impl Heard {
    /// The next message; `None`: the server is to drain, whatever was asked before.
    pub(super) async fn next(&mut self) -> Option<Message> {
        tokio::select! {
            biased;
            () = self.drains.cancelled() => None,
            () = self.hang_ups.notified() => {
                Some(Message::Reload { by: By::Signal, answer: oneshot::channel().0 })
            }
            message = self.messages.recv() => message,
        }
    }

    /// Gathers further changes of tenants behind those of `batch`. Returns a message of another kind that came behind them.
    pub(super) async fn gather(&mut self, batch: &mut Vec<Waiting>) -> Option<Message> {
        let end = Instant::now() + GATHERED;
        while batch.len() < BATCH && Instant::now() < end {
            match timeout_at(end.min(Instant::now() + QUIET), self.messages.recv()).await {
                Ok(Some(Message::Tenants(waiting))) => batch.push(*waiting),
                Ok(message) => return message,
                Err(_) => break,
            }
        }
        None
    }
}

impl Control {
    /// A control, and where its messages arrive.
    pub(super) fn new() -> (Self, Heard) {
        let (sender, messages) = mpsc::channel(WAITING);
        let (drains, hang_ups) = (CancellationToken::new(), Arc::new(Notify::new()));
        let control = Self { messages: sender, hang_ups: hang_ups.clone(), drains: drains.clone() };
        (control, Heard { messages, hang_ups, drains })
    }

    /// Has the server read everything again and put it in place, or leave everything as it is.
    ///
    /// # Errors
    /// The server is stopping. The inner error is what is wrong with the new configuration.
    pub async fn reload(&self, by: By) -> Result<Result<Reloaded, Refused>, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Reload { by, answer }).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Has the server enable the host of this name or alias (in normal form, a wildcard as it stands), whatever the rules
    /// say of that. It holds over reloads and restarts.
    ///
    /// # Errors
    /// The server is stopping. The inner error is why the host is as it was.
    pub async fn enable(&self, host: &str, by: By) -> Result<Result<Switched, Unswitched>, Stopping> {
        self.switch(Switch { host: host.into(), enabled: true }, by).await
    }

    /// The same, but disabled: new requests are refused at once, what runs ends after `limits.drain_timeout`.
    ///
    /// # Errors
    /// As [`Self::enable`].
    pub async fn disable(&self, host: &str, by: By) -> Result<Result<Switched, Unswitched>, Stopping> {
        self.switch(Switch { host: host.into(), enabled: false }, by).await
    }

    async fn switch(&self, switch: Switch, by: By) -> Result<Result<Switched, Unswitched>, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Switch { switch, by, answer }).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Has the server make, change or remove a host of the API. It holds over reloads and restarts.
    ///
    /// # Errors
    /// The server is stopping. The inner error is why nothing has changed.
    pub async fn change_host(
        &self,
        change: HostChange,
        by: By,
    ) -> Result<Result<HostChanged, HostUnchanged>, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Host { change: Box::new(change), by, answer }).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Has the server make, change, remove, enable or disable tenants. It holds over reloads and restarts. A tenant that is
    /// disabled refuses new requests at once, with everything below it, and what runs ends after `limits.drain_timeout`.
    ///
    /// # Errors
    /// The server is stopping. The inner error is why nothing has changed.
    pub async fn change_tenants(
        &self,
        change: TenantChange,
        by: By,
    ) -> Result<Result<TenantsChanged, TenantUnchanged>, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Tenants(Box::new(Waiting { change, by, answer }))).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Has the server end the connection of this number. False: there is none.
    ///
    /// # Errors
    /// The server is stopping.
    pub async fn end(&self, id: u64, by: By) -> Result<bool, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::End { id, by, answer }).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Has the server reload, without waiting for the answer, which is logged. However many
    /// messages wait, it is not lost.
    pub(crate) fn hang_up(&self) {
        self.hang_ups.notify_one();
    }

    /// Has the server stop accepting, and let what runs come to its end. What waits for an answer is told so.
    pub(crate) fn drain(&self) {
        self.drains.cancel();
    }

    async fn send(&self, message: Message) -> Result<(), Stopping> {
        self.messages.send(message).await.map_err(|_| Stopping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_is_heard_however_many_messages_wait() {
        let (control, mut heard) = Control::new();
        for id in 0..64 {
            let message = Message::End { id, by: By::Signal, answer: oneshot::channel().0 };
            control.messages.try_send(message).unwrap();
        }
        control.hang_up();
        control.hang_up();
        let mut reloads = 0;
        for _ in 0..65 {
            reloads += u32::from(matches!(heard.next().await, Some(Message::Reload { by: By::Signal, .. })));
        }
        assert_eq!(reloads, 1);
        control.hang_up();
        assert!(matches!(heard.next().await, Some(Message::Reload { .. })));
        control.drain();
        assert!(heard.next().await.is_none());
    }
}

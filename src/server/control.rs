//! Orders to a running server. Signals, the administration socket and programs all send the same messages. The server
//! takes them one at a time, so two reloads never run at once.

use std::fmt;
use std::sync::Arc;

use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::tenants::Waiting;
use super::{
    HostChange, HostChanged, HostUnchanged, ServerError, TenantChange, TenantUnchanged, TenantsChanged,
};
use crate::accounts::Administrator;
use crate::config::Diagnostics;
use crate::state::Snapshot;

/// How many messages may wait. When the queue is full the sender waits as well.
const WAITING: usize = 256;
/// How long changes of tenants are gathered at most before they are made (contract section 9).
const GATHERED: Duration = Duration::from_millis(100);
/// Gathered changes are made when no further change came for this long.
const QUIET: Duration = Duration::from_millis(2);
/// How many changes of tenants are made at once, at most.
const BATCH: usize = 512;

/// The sender of an order.
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

/// An order.
#[derive(Debug)]
pub(super) enum Message {
    /// Read everything again and put it in force, or leave everything as it is.
    Reload { by: By, answer: oneshot::Sender<Result<Reloaded, ServerError>> },
    /// Enable or disable the host of this name.
    Switch { switch: Switch, by: By, answer: oneshot::Sender<Result<Switched, SwitchError>> },
    /// Make, change or remove a host over the API.
    Host { change: Box<HostChange>, by: By, answer: oneshot::Sender<Result<HostChanged, HostUnchanged>> },
    /// Make, change, remove, enable or disable tenants.
    Tenants(Box<Waiting>),
    /// End the connection with this number. The answer says whether there was one.
    End { id: u64, by: By, answer: oneshot::Sender<bool> },
}

/// An order to enable or disable a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    /// The host's name or alias in normal form. A wildcard is given by its own text.
    pub(super) host: Box<str>,
    pub(super) enabled: bool,
}

/// A host that is now in the ordered state.
#[derive(Debug)]
pub struct Switched {
    /// The name by which the host is called in logs.
    pub host: Box<str>,
    /// The state was different before.
    pub is_changed: bool,
    /// The snapshot in force.
    pub snapshot: Arc<Snapshot>,
}

/// Why a host is still in its old state.
#[derive(Debug)]
pub enum SwitchError {
    /// There is no host with exactly this name.
    UnknownHost,
    /// The state cannot be stored, so it would be lost at a reload or a restart.
    NotStored(ServerError),
}

/// The snapshots before and after a reload, for callers that report the changes.
#[derive(Debug)]
pub struct Reloaded {
    /// The snapshot that was in force before.
    pub before: Arc<Snapshot>,
    /// The snapshot in force now.
    pub after: Arc<Snapshot>,
    /// The warnings.
    pub found: Diagnostics,
}

/// The server has stopped, or is about to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping;

impl fmt::Display for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Portward is stopping")
    }
}

impl std::error::Error for Stopping {}

/// Sends orders to a running server. Clones send to the same one.
#[derive(Debug, Clone)]
pub struct Control {
    messages: mpsc::Sender<Message>,
    hang_ups: Arc<Notify>,
    drains: CancellationToken,
}

/// The server's end of the queue.
#[derive(Debug)]
pub(super) struct Orders {
    messages: mpsc::Receiver<Message>,
    /// A signal asks for a reload. Several signals before the server looks count as one.
    hang_ups: Arc<Notify>,
    drains: CancellationToken,
}

impl Orders {
    /// The next message. `None`: the server must drain, and earlier messages do not matter any more.
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

    /// Gathers further changes of tenants into `batch`. Returns a message of another kind, if one came behind them.
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
    /// A control, and the server's end of its queue.
    pub(super) fn new() -> (Self, Orders) {
        let (sender, messages) = mpsc::channel(WAITING);
        let (drains, hang_ups) = (CancellationToken::new(), Arc::new(Notify::new()));
        let control = Self { messages: sender, hang_ups: hang_ups.clone(), drains: drains.clone() };
        (control, Orders { messages, hang_ups, drains })
    }

    /// Makes the server read everything again and put it in force, or leave everything as it is.
    ///
    /// # Errors
    /// The server is stopping. The inner error is the fault of the new configuration.
    pub async fn reload(&self, by: By) -> Result<Result<Reloaded, ServerError>, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Reload { by, answer }).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Makes the server enable the host with this name or alias, whatever the rules say. The name is in normal form,
    /// and a wildcard is given by its own text. The state survives reloads and restarts.
    ///
    /// # Errors
    /// The server is stopping. The inner error is why the host is still in its old state.
    pub async fn enable(&self, host: &str, by: By) -> Result<Result<Switched, SwitchError>, Stopping> {
        self.switch(Switch { host: host.into(), enabled: true }, by).await
    }

    /// The same, but disabled: new requests are refused at once, and running connections end after
    /// `limits.drain_timeout`.
    ///
    /// # Errors
    /// As [`Self::enable`].
    pub async fn disable(&self, host: &str, by: By) -> Result<Result<Switched, SwitchError>, Stopping> {
        self.switch(Switch { host: host.into(), enabled: false }, by).await
    }

    async fn switch(&self, switch: Switch, by: By) -> Result<Result<Switched, SwitchError>, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Switch { switch, by, answer }).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Makes the server make, change or remove a host of the API. The change survives reloads and restarts.
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

    /// Makes the server make, change, remove, enable or disable tenants. The change survives reloads and restarts. A
    /// disabled tenant, and every tenant below it, refuses new requests at once. Running connections end after
    /// `limits.drain_timeout`.
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

    /// Makes the server end the connection with this number. False: there is none.
    ///
    /// # Errors
    /// The server is stopping.
    pub async fn end(&self, id: u64, by: By) -> Result<bool, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::End { id, by, answer }).await?;
        answered.await.map_err(|_| Stopping)
    }

    /// Makes the server reload. The answer is logged, not awaited. The order is not lost, however many messages wait.
    pub(crate) fn hang_up(&self) {
        self.hang_ups.notify_one();
    }

    /// Makes the server stop accepting connections and drain. Callers that wait for an answer are told so.
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
        let (control, mut orders) = Control::new();
        for id in 0..64 {
            let message = Message::End { id, by: By::Signal, answer: oneshot::channel().0 };
            control.messages.try_send(message).unwrap();
        }
        control.hang_up();
        control.hang_up();
        let mut reloads = 0;
        for _ in 0..65 {
            reloads += u32::from(matches!(orders.next().await, Some(Message::Reload { by: By::Signal, .. })));
        }
        assert_eq!(reloads, 1);
        control.hang_up();
        assert!(matches!(orders.next().await, Some(Message::Reload { .. })));
        control.drain();
        assert!(orders.next().await.is_none());
    }
}

//! The service manager: what Portward tells systemd, and the listening sockets that systemd passes and keeps
//! (sd_notify(3), sd_listen_fds(3)).
//!
//! Without a manager nothing is sent. Portward never waits for the manager: every message goes through `Outbox`. A
//! notify socket that is not read blocks its senders (unix(7), `max_dgram_qlen`). That must delay neither signals nor
//! the shutdown.

mod outbox;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::time::Duration;

use sd_notify::NotifyState;
use socket2::SockRef;

use outbox::{Message, Outbox};

/// The names of sockets that Portward puts into the file-descriptor store begin with this. It tells them from the
/// sockets of a socket unit.
const STORED: &str = "stored-";

/// Portward asks the manager for this much more time than it needs, but for at most [`MOST`] at once.
const SLACK: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(60);

/// The service manager that started Portward, if there is one.
#[derive(Debug, Default)]
pub struct Manager {
    /// The address of the manager's socket. `None`: there is no manager.
    address: Option<String>,
    watchdog: Option<Duration>,
    /// Made with the first message. Its thread must start after the process has confined itself.
    outbox: OnceLock<Option<Outbox>>,
}

/// Where an inherited socket comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The file-descriptor store: an earlier run of Portward left it there.
    Store,
    /// A socket unit, or another program that passes sockets.
    Unit,
}

/// A listening socket that was open before Portward started.
#[derive(Debug)]
pub struct Inherited {
    /// The listening TCP socket.
    pub socket: TcpListener,
    /// The address on which it listens.
    pub address: SocketAddr,
    /// Where the socket comes from.
    pub origin: Origin,
}

impl Manager {
    /// The manager that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`), and the sockets that it passes
    /// (`LISTEN_FDS`, `LISTEN_FDNAMES`). Call it once, while the process has one thread.
    ///
    /// # Errors
    /// The fault of a socket that was passed.
    pub fn from_environment() -> Result<(Self, Vec<Inherited>), String> {
        let address = std::env::var("NOTIFY_SOCKET").ok().filter(|name| !name.is_empty());
        let manager = Self { address, watchdog: sd_notify::watchdog_enabled(), outbox: OnceLock::new() };
        Ok((manager, inherited()?))
    }

    /// The address of the manager's socket. An address that begins with `@` is abstract (unix(7)).
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// How often the manager wants a sign of life. `None`: never.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells the manager that everything is open and runs. It also ends [`Manager::reloading`]. `status` is a text for
    /// people.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Tells the manager a status text for people.
    pub fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(status)]);
    }

    /// Tells the manager that a reload begins. [`Manager::ready`] ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    /// Tells the manager that the start takes long, because the configuration is being read.
    pub fn starting(&self) {
        self.tell(&[NotifyState::ExtendTimeoutUsec(micros(MOST))]);
    }

    /// Tells the manager that the shutdown has begun and takes `left` at most. Call it again and again until the
    /// shutdown is over.
    pub fn stopping(&self, left: Duration, status: &str) {
        let extended = NotifyState::ExtendTimeoutUsec(micros(left.min(MOST) + SLACK));
        self.tell(&[NotifyState::Stopping, extended, NotifyState::Status(status)]);
    }

    /// Tells the manager that every worker is alive. The message is dropped if others wait, because it is worth nothing
    /// later.
    pub fn alive(&self) {
        if let Some(outbox) = self.outbox() {
            outbox.send_if_idle(Message::new(text(&[NotifyState::Watchdog])));
        }
    }

    /// Waits until every message has been sent, for `patience` at most.
    pub fn flush(&self, patience: Duration) {
        if let Some(Some(outbox)) = self.outbox.get() {
            outbox.flush(patience);
        }
    }

    /// Puts a listening socket into the file-descriptor store, so that the next run of Portward gets it.
    pub fn keep(&self, address: SocketAddr, socket: BorrowedFd<'_>) {
        let Some(outbox) = self.outbox() else { return };
        let name = stored_name(address);
        let states = [NotifyState::FdStore, NotifyState::FdName(&name)];
        if let Ok(socket) = socket.try_clone_to_owned() {
            outbox.send(Message::with(text(&states), socket));
        }
    }

    /// Takes the sockets at `address` out of the store.
    pub fn forget(&self, address: SocketAddr) {
        self.tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(&stored_name(address))]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if let Some(outbox) = self.outbox() {
            outbox.send(Message::new(text(states)));
        }
    }

    fn outbox(&self) -> Option<&Outbox> {
        let address = self.address.as_deref()?;
        self.outbox.get_or_init(|| Outbox::to(address).ok()).as_ref()
    }
}

/// A message with one assignment a line (sd_notify(3)).
fn text(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// The name of a socket in the store. `LISTEN_FDNAMES` separates names by colons, so a name cannot contain one.
fn stored_name(address: SocketAddr) -> String {
    format!("{STORED}{}", address.to_string().replace(':', "_"))
}

/// The sockets that were passed.
fn inherited() -> Result<Vec<Inherited>, String> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::with_capacity(passed.len());
    for number in 0..passed.len() {
        let name = names.next().unwrap_or_default();
        let refused = |why: &dyn std::fmt::Display| {
            format!(
                "error: the socket {} ({name}) that was passed by LISTEN_FDS cannot be used: {why}",
                number + 3
            )
        };
        let socket = passed.take_tcp_listener(number).map_err(|error| refused(&error))?;
        let Some(socket) = socket else { continue };
        let address = usable(&socket).map_err(|error| refused(&error))?;
        let origin = if name.starts_with(STORED) { Origin::Store } else { Origin::Unit };
        sockets.push(Inherited { socket, address, origin });
    }
    Ok(sockets)
}

/// The address of a passed socket, if the socket listens in the way that our own sockets do.
fn usable(socket: &TcpListener) -> io::Result<SocketAddr> {
    let view = SockRef::from(socket);
    if !view.is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    let address = socket.local_addr()?;
    if address.is_ipv6() && !view.only_v6()? {
        let help =
            "it listens for IPv4, too; BindIPv6Only=ipv6-only in the socket unit opens a family a socket";
        return Err(io::Error::other(help));
    }
    socket.set_nonblocking(true)?;
    view.set_tcp_nodelay(true)?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_store_hold_no_colon() {
        for (address, name) in [
            ("0.0.0.0:90", "stored-0.0.0.0_90"),
            ("[::]:90", "stored-[__]_90"),
            ("[2001:db8::1]:5071", "stored-[2001_db8__1]_5071"),
        ] {
            assert_eq!(stored_name(address.parse().unwrap()), name);
        }
    }

    #[test]
    fn a_socket_is_looked_at_before_it_is_used() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(usable(&listening).unwrap(), listening.local_addr().unwrap());
        let idle: TcpListener =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap().into();
        assert!(usable(&idle).unwrap_err().to_string().contains("does not listen"));
        let both = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        both.set_only_v6(false).unwrap();
        // Only a socket on the unspecified address takes IPv4 as well. The kernel calls a socket on another address
        // IPv6 only.
        both.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        both.listen(1).unwrap();
        assert!(usable(&both.into()).unwrap_err().to_string().contains("BindIPv6Only"));
    }
}

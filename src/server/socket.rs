//! One listening socket: opened here, or taken over from an earlier run or from a socket unit.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};

use crate::config::Listener;
use crate::manager::{Inherited, Manager, Origin};

/// How many connections the kernel may hold for us.
const BACKLOG: i32 = 4096;

/// A listening socket and what comes in by it.
#[derive(Debug)]
pub(super) struct Socket {
    /// What is spoken there, and where.
    pub(super) listener: Listener,
    /// Who opened it: ours are in the manager's store, a unit's come anew with every start.
    pub(super) origin: Origin,
    socket: Arc<TcpListener>,
}

impl Socket {
    /// Opens it. IP_FREEBIND lets it listen on an address that comes later (a floating one of two boxes); what is
    /// accepted inherits TCP_NODELAY.
    pub(super) fn open(listener: Listener) -> io::Result<Self> {
        let domain = if listener.address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
        let socket = socket2::Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        if listener.address.is_ipv6() {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        } else {
            socket.set_freebind_v4(true)?;
        }
        socket.bind(&listener.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self { listener, origin: Origin::Store, socket: Arc::new(socket.into()) })
    }

    /// One that was open before, to speak what `listener` says.
    pub(super) fn inherit(
        listener: Listener,
        Inherited { socket, origin, .. }: Inherited,
    ) -> io::Result<Self> {
        socket2::SockRef::from(&socket).listen(BACKLOG)?;
        Ok(Self { listener, origin, socket: Arc::new(socket) })
    }

    /// The same socket, to speak what `listener` says from now on.
    pub(super) fn speaking(&self, listener: Listener) -> Self {
        Self { listener, origin: self.origin, socket: self.socket.clone() }
    }

    /// Has the manager keep it for the next run.
    pub(super) fn keep(&self, manager: &Manager) {
        if self.origin == Origin::Store {
            manager.keep(self.listener.address, self.socket.as_fd());
        }
    }

    /// The same socket for one more thread.
    pub(super) fn share(&self) -> io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket.try_clone()?)
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        self.listener == other.listener
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Listener { service, transport, address } = self.listener;
        write!(f, "{address} ({})", service.scheme(transport))
    }
}

/// Whether the kernel has no IPv6.
pub(super) fn no_such_family(error: &io::Error) -> bool {
    Errno::from_io_error(error)
        .is_some_and(|errno| errno == Errno::AFNOSUPPORT || errno == Errno::ADDRNOTAVAIL)
}

/// Why a socket did not open, and what would help.
pub(super) fn complaint(listener: &Listener, error: &io::Error) -> String {
    let Listener { service, transport, address } = *listener;
    let scheme = service.scheme(transport);
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "\n  help: ports below 1024 need root or CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrInUse => {
            "\n  help: another program listens there, or another Portward; `ss -ltnp` shows which"
        }
        _ => "",
    };
    format!("error: cannot listen on {address} ({scheme}): {error}{help}")
}

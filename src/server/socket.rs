//! One listening socket: opened here, or taken over from an earlier run or from a socket unit.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Type};

use crate::config::Listener;
use crate::manager::{Inherited, Manager, Origin};

/// How many connections the kernel may hold for us.
const BACKLOG: i32 = 4096;

/// A listening socket and the service on it.
#[derive(Debug)]
pub(super) struct Socket {
    /// The service and the address.
    pub(super) listener: Listener,
    /// The program that opened it. Our own sockets are in the manager's store. A socket unit passes its sockets at
    /// every start.
    pub(super) origin: Origin,
    socket: Arc<TcpListener>,
}

impl Socket {
    /// Opens the socket. IP_FREEBIND lets it listen on an address that comes later, such as a floating address of two
    /// machines. Accepted connections inherit TCP_NODELAY.
    ///
    /// `leaving` are sockets of ours that will be closed when everything has been opened. One of them may have the same
    /// port, on every address instead of one, or the other way round. For that moment both may be open (SO_REUSEPORT).
    /// Afterwards they may not: a second Portward must find the port taken.
    pub(super) fn open(listener: Listener, leaving: &[SockRef<'_>]) -> io::Result<Self> {
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
        let in_its_way: Vec<_> = leaving
            .iter()
            .filter(|other| {
                let there = other.local_addr().ok().and_then(|address| address.as_socket());
                there.is_some_and(|there| overlaps(there, listener.address))
            })
            .collect();
        let together = |on: bool| {
            in_its_way
                .iter()
                .try_for_each(|other| other.set_reuse_port(on))
                .and_then(|()| socket.set_reuse_port(on))
        };
        if !in_its_way.is_empty() {
            together(true)?;
        }
        // The kernel checks twice whether the port is free.
        let opened = socket.bind(&listener.address.into()).and_then(|()| socket.listen(BACKLOG));
        if !in_its_way.is_empty() {
            together(false)?;
        }
        opened?;
        Ok(Self { listener, origin: Origin::Store, socket: Arc::new(socket.into()) })
    }

    /// Its options and address.
    pub(super) fn view(&self) -> SockRef<'_> {
        SockRef::from(&*self.socket)
    }

    /// Takes over a socket that was open before, for the service of `listener`.
    pub(super) fn inherit(
        listener: Listener,
        Inherited { socket, origin, .. }: Inherited,
    ) -> io::Result<Self> {
        SockRef::from(&socket).listen(BACKLOG)?;
        Ok(Self { listener, origin, socket: Arc::new(socket) })
    }

    /// The same socket, for the service of `listener` from now on.
    pub(super) fn speaking(&self, listener: Listener) -> Self {
        Self { listener, origin: self.origin, socket: self.socket.clone() }
    }

    /// Gives the socket to the manager for the next run.
    pub(super) fn keep(&self, manager: &Manager) {
        if self.origin == Origin::Store {
            manager.keep(self.listener.address, self.socket.as_fd());
        }
    }

    /// A copy of the socket for one more thread.
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

/// Whether one of the two is for every address, and so for the other's address, too.
fn overlaps(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// Whether the kernel has no IPv6.
pub(super) fn no_such_family(error: &io::Error) -> bool {
    Errno::from_io_error(error)
        .is_some_and(|errno| errno == Errno::AFNOSUPPORT || errno == Errno::ADDRNOTAVAIL)
}

//! `admin.listen`: the port for programs and browsers. A reload opens, moves and closes it. If it cannot be opened,
//! there is only a warning, and telephones do not notice.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::PORT;
use super::access::CameBy;
use super::places::{ConnectionSlot, PLACES, Places};
use super::serve::{self, Grounds};
use crate::config::{Diagnostic, Location as Written};
use crate::log::Level;
use crate::state::Snapshot;

/// How many connections may wait in the kernel.
const BACKLOG: i32 = 1024;
/// The pause before the port is opened again.
const AGAIN: Duration = Duration::from_secs(2);
/// The pause before accepting again when descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);
/// How long answers may still be read after the port was closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// The address on which the port should be open. If the named certificate is missing, the port stays closed, and the
/// snapshot has a warning.
fn wanted(snapshot: &Snapshot) -> Option<SocketAddr> {
    let admin = &snapshot.config.admin;
    admin.listen.filter(|_| admin.certificate.is_none() || snapshot.admin_tls.is_some())
}

/// Serves until it is dropped.
pub(super) async fn serve(grounds: Grounds) {
    let shared = grounds.shared.clone();
    let mut reloads = shared.reloads.subscribe();
    let places = Places::new(PLACES);
    loop {
        reloads.mark_unchanged();
        let address = wanted(&shared.snapshot.load());
        let listener = address.map(open).transpose();
        let trouble = match (&listener, address) {
            (Err(error), Some(address)) => {
                let message = format!("administration: {address} cannot be opened: {error}");
                let help = "free the port, or change admin.listen and reload; it is tried again all the time";
                let file = &shared.snapshot.load().config.file;
                Some(Diagnostic::warning(message, Written::whole(file)).help(help))
            }
            _ => None,
        };
        let message = trouble.as_ref().map(|trouble| trouble.message.clone());
        let is_new = shared.set_admin_closed(PORT, trouble);
        if let Some(message) = message.filter(|_| is_new) {
            shared.note(Level::Warning, &message);
        }
        let elsewhere = async {
            while reloads.changed().await.is_ok() {
                if wanted(&shared.snapshot.load()) != address {
                    return;
                }
            }
            std::future::pending().await
        };
        match listener {
            Ok(Some(listener)) => {
                let at = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
                shared.note(Level::Info, &format!("administration on {at}"));
                let closed = CancellationToken::new();
                let _closes = closed.clone().drop_guard();
                tokio::select! {
                    () = elsewhere => shared.note(Level::Info, &format!("no more administration on {at}")),
                    () = accept(&listener, &places, &grounds, &closed) => {}
                }
            }
            Ok(None) => elsewhere.await,
            Err(_) => tokio::select! {
                () = elsewhere => {}
                () = sleep(AGAIN) => {}
            },
        }
    }
}

/// Opens the port like the ports of services: also on addresses that the machine gets later.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: &TcpListener, places: &Arc<Places>, grounds: &Grounds, closed: &CancellationToken) {
    loop {
        let Ok((connection, client)) = listener.accept().await else {
            // Clients that make Portward wait must not keep descriptors, because telephones need them as well.
            places.relieve();
            sleep(BREATH).await;
            continue;
        };
        let place = places.take().await;
        let (grounds, closed) = (grounds.clone(), closed.clone());
        tokio::spawn(async move {
            let over = async {
                closed.cancelled().await;
                sleep(FAREWELL).await;
            };
            tokio::select! {
                () = converse(connection, client, place, grounds) => {}
                () = over => {}
            }
        });
    }
}

async fn converse(connection: TcpStream, client: SocketAddr, place: ConnectionSlot, grounds: Grounds) {
    let Ok(here) = connection.local_addr() else { return };
    let (is_certified, tls) = {
        let snapshot = grounds.shared.snapshot.load();
        (snapshot.config.admin.certificate.is_some(), snapshot.admin_tls.clone())
    };
    let came_by = CameBy::Port { client, here, is_tls: is_certified };
    match (is_certified, tls) {
        (false, _) => serve::converse(connection, came_by, place, grounds).await,
        (true, Some(tls)) => {
            let handshake = TlsAcceptor::from(tls).accept(connection);
            let shaken = tokio::select! {
                shaken = handshake => shaken.ok(),
                () = place.overdue() => None,
            };
            if let Some(stream) = shaken {
                serve::converse(stream, came_by, place, grounds).await;
            }
        }
        // A reload has just removed the certificate.
        (true, None) => {}
    }
}

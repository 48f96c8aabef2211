//! A worker: one thread with a runtime of its own, which accepts from every socket. A connection stays with its worker.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::pulse::Pulse;
use super::socket::Socket;
use crate::config::Listener;
use crate::conn::{self, Accepted, Facts};
use crate::log::Level;
use crate::state::{Shared, Worker};
use crate::stats::Opening;

/// How often the worker looks through its kept target connections.
const SWEEP: Duration = Duration::from_secs(5);
/// How many connections are accepted in a row.
const BURST: u32 = 8;
/// How long to wait before accepting again when descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);

/// Starts a thread with a runtime that accepts from every socket. It gets its number, and the number of all workers.
pub(super) fn start(
    (number, count): (u16, u16),
    shared: &Arc<Shared>,
    pulse: &Arc<Pulse>,
    sockets: &watch::Sender<Vec<Arc<Socket>>>,
    draining: &CancellationToken,
    stop: &CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Arc::new(Worker {
        shared: shared.clone(),
        number,
        pool: crate::upstream::Pool::of_one_of(count.into()),
        draining: draining.child_token(),
    });
    let (sockets, stop, pulse) = (sockets.subscribe(), stop.clone(), pulse.clone());
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accept_from(sockets, &worker) => {}
                () = sweep(&worker) => {}
                () = pulse.beat(number.into()) => {}
            }
        });
        worker.pool.clear();
        runtime.shutdown_background();
    })
}

async fn sweep(worker: &Worker) {
    loop {
        tokio::time::sleep(SWEEP).await;
        worker.pool.sweep();
        worker.pool.drain(&worker.shared.resolver.left());
    }
}

/// Accepts from the sockets that are open at the moment.
async fn accept_from(mut sockets: watch::Receiver<Vec<Arc<Socket>>>, worker: &Arc<Worker>) {
    let mut accepting: HashMap<Listener, tokio::task::JoinHandle<()>> = HashMap::new();
    loop {
        let wanted = sockets.borrow_and_update().clone();
        accepting.retain(|listener, task| {
            let stays = wanted.iter().any(|socket| socket.listener == *listener);
            if !stays {
                task.abort();
            }
            stays
        });
        for socket in wanted {
            accepting
                .entry(socket.listener)
                .or_insert_with(|| tokio::spawn(accept(socket.clone(), worker.clone())));
        }
        if sockets.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Accepts connections from one socket. The guard decides first, before a byte is read.
async fn accept(socket: Arc<Socket>, worker: Arc<Worker>) {
    let listener = match socket.share() {
        Ok(listener) => listener,
        Err(error) => {
            return worker.shared.note(Level::Error, &format!("cannot accept on {socket}: {error}"));
        }
    };
    let Socket { listener: kind, .. } = *socket;
    drop(socket);
    let is_exact = !kind.address.ip().is_unspecified();
    let mut burst = 0_u32;
    loop {
        burst = burst.wrapping_add(1);
        if burst.is_multiple_of(BURST) {
            // Accepted connections come first. Otherwise a phone's message would wait behind a flood of new
            // connections.
            tokio::task::yield_now().await;
        }
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client has gone already, or no descriptor is left. In the second case an immediate retry would spin.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(_) => {
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let snapshot = worker.shared.snapshot.load();
        let config = &snapshot.config;
        let expects_proxy_header = config.proxy_protocol_from(peer.ip());
        let guard = &worker.shared.guard;
        let admitted = if expects_proxy_header {
            guard.admit_any(kind.service, &config.guard)
        } else {
            guard.admit(peer.ip(), kind.service, &config.guard)
        };
        let permit = match admitted {
            Ok(permit) => permit,
            Err(reason) => {
                guard.note_refused(peer.ip(), reason);
                worker.shared.stats.turned_away(worker.number, kind.service, (peer.ip(), reason));
                continue;
            }
        };
        let facts = Facts {
            id: worker.shared.next_id(),
            client: peer,
            local: if is_exact { kind.address } else { tcp.local_addr().unwrap_or(kind.address) },
            service: kind.service,
            carrier: kind.transport.into(),
            since: Instant::now(),
            worker: worker.number,
        };
        let Facts { id, client, service, carrier, .. } = facts;
        let live = worker.shared.stats.register(worker.number, Opening { id, client, service, carrier });
        // The connection is entered at once. So in a flood the next connection finds one that it may displace.
        let place = guard.enter_undecided(facts.id, peer.ip(), &permit, expects_proxy_header, &config.guard);
        drop(snapshot);
        let accepted = Accepted { tcp, facts, permit, place, live, expects_proxy_header };
        tokio::spawn(conn::serve(accepted, worker.clone()));
    }
}

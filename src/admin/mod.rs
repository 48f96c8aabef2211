//! Administration of the running daemon: HTTP/1.1 and JSON (contract section 8, Admin API).
//!
//! | file | content |
//! |---|---|
//! | `socket` | the socket of the file system, whose file mode decides which users may connect |
//! | `port` | `admin.listen`, for programs and browsers, with or without TLS |
//! | `access` | access control: tokens, sessions, names |
//! | `serve`, `patient` | requests and answers on a connection, with limits |
//! | `places` | places for connections, and which connection is closed for a new one |
//! | [`answer`](self) | an answer: status, content, header fields |
//! | `events` | streams of events for followers |
//! | `query`, `body` | the query after the `?`, and the fields of a JSON body |
//! | `v1` | the resources, one file each, and the table of them |
//! | `dashboard` | the page, and its files |
//! | `moment` | moments as text |
//! | [`metrics`] | `/metrics`: what Prometheus reads |
//! | [`client`] | the commands' side: one question, one answer |
//!
//! Administration decides nothing by itself. It shows the daemon's state, and hands changes to [`Control`] and to the
//! guard.

mod access;
mod answer;
mod body;
pub mod client;
mod dashboard;
mod events;
pub mod metrics;
mod moment;
mod patient;
mod places;
mod port;
mod query;
mod serve;
mod socket;
mod v1;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use query::LARGEST_PAGE;
pub(crate) use v1::looked_up;
pub(crate) use v1::{TenantContext, host_to_json, tenant_to_json, whole_tenant_to_json};

use tokio::time::sleep;

use crate::config::{Diagnostic, Location};
use crate::log::Level;
use crate::server::Control;
use crate::state::Shared;
use access::CameBy;
use events::Followers;
use places::{PLACES, Places};
use serve::Grounds;

/// The keys of portward.toml for the places where administration listens. A warning that one of them is closed is kept
/// under its key.
const SOCKET: &str = "admin.socket";
const PORT: &str = "admin.listen";

/// Administers over the socket and the port until it is dropped. If one of them cannot be opened, only a warning
/// follows, because the proxy works without it. It runs on a thread of its own, because an answer may take longer than
/// signals and the watchdog can wait.
pub(crate) async fn serve(shared: Arc<Shared>, control: Control) {
    let grounds = Grounds { shared, control, followers: Followers::default(), access: Arc::default() };
    tokio::join!(socket(grounds.clone()), port::serve(grounds));
}

/// The pause before the socket is checked or opened again.
const AGAIN: Duration = Duration::from_secs(2);

/// Listens on `admin.socket`. If the socket cannot be opened, because a stopping Portward still listens there, it is
/// tried again. A socket whose file was removed is made anew.
async fn socket(grounds: Grounds) {
    let shared = grounds.shared.clone();
    let mut reloads = shared.reloads.subscribe();
    let places = Places::new(PLACES);
    let path = shared.snapshot.load().config.admin.socket.clone();
    loop {
        let listener = match socket::Listener::open(&path) {
            Ok(listener) => {
                if shared.set_admin_closed(SOCKET, None) {
                    shared.note(Level::Info, &format!("administration on {}", path.display()));
                }
                Some(listener)
            }
            Err(error) => {
                let text =
                    format!("no administration: the socket {} cannot be opened: {error}", path.display());
                let place = Location::whole(&shared.snapshot.load().config.file);
                // The same fault is logged only once.
                if shared.set_admin_closed(SOCKET, Some(Diagnostic::warning(text.clone(), place))) {
                    shared.note(Level::Warning, &text);
                }
                None
            }
        };
        let gone = async {
            loop {
                tokio::select! {
                    Ok(()) = reloads.changed() => {}
                    () = sleep(AGAIN) => {}
                }
                if !listener.as_ref().is_some_and(socket::Listener::is_there) {
                    return;
                }
            }
        };
        let accept = async {
            let Some(listener) = &listener else { return std::future::pending().await };
            loop {
                let connection = listener.accept().await;
                let place = places.take().await;
                let user = connection.peer_cred().ok().map(|credentials| credentials.uid());
                let grounds = grounds.clone();
                tokio::spawn(serve::converse(connection, CameBy::Socket { user }, place, grounds));
            }
        };
        tokio::select! {
            () = gone => {}
            () = accept => {}
        }
    }
}

//! Administration of the running daemon: HTTP/1.1 and JSON (SPEC section 8, Admin API).
//!
//! | room | what is in it |
//! |---|---|
//! | `socket` | the socket of the file system: its file mode says who may connect |
//! | `serve` | one request and one answer on a connection, with limits |
//! | [`answer`](self) | what an answer is: status, content, header fields |
//! | `query` | what stands behind the `?` |
//! | `v1` | the resources, one file each, and the table of them |
//! | [`client`] | the commands' side: one question, one answer |
//!
//! It decides nothing of its own: it shows what the daemon knows, and hands changes to [`Control`] and to the guard.

mod answer;
pub mod client;
mod moment;
mod query;
mod serve;
mod socket;
mod v1;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use query::LARGEST_PAGE;

use crate::log::Level;
use crate::server::Control;
use crate::state::Shared;
use serve::{Caller, Grounds};

/// Connections at a time: commands, and a dashboard or two.
const CONNECTIONS: usize = 16;

/// Listens on `admin.socket` until it is dropped. Where that is not possible a warning is all that happens: the proxy works
/// without. A reload makes a socket that was removed anew. It runs on a thread of its own, because an answer may take
/// longer than signals and the watchdog can wait.
pub(crate) async fn serve(shared: Arc<Shared>, control: Control) {
    let mut reloads = shared.reloads.subscribe();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let path = shared.snapshot.load().config.admin.socket.clone();
    let grounds = Grounds { shared: shared.clone(), control };
    loop {
        let listener = match socket::Listener::open(&path) {
            Ok(listener) => Some(listener),
            Err(error) => {
                let text =
                    format!("no administration: the socket {} cannot be opened: {error}", path.display());
                shared.note(Level::Warning, &text);
                None
            }
        };
        let gone = async {
            while reloads.changed().await.is_ok() {
                if !listener.as_ref().is_some_and(socket::Listener::is_there) {
                    return;
                }
            }
            std::future::pending().await
        };
        let accept = async {
            let Some(listener) = &listener else { return std::future::pending().await };
            loop {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let connection = listener.accept().await;
                let user = connection.peer_cred().ok().map(|credentials| credentials.uid());
                let grounds = grounds.clone();
                tokio::spawn(async move {
                    serve::converse(connection, Caller::Socket { user }, grounds).await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = gone => {}
            () = accept => {}
        }
    }
}

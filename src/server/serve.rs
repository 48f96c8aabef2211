//! The running server: it obeys messages until it must drain.

use std::sync::PoisonError;

use super::control::{Message, Orders};
use super::{By, Reloaded, Server, ServerError};
use crate::log::Level;

impl Server {
    /// Obeys messages until one of them ends the server. To be called once.
    pub async fn serve(&self) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(orders) = orders else { return };
        let maintained = self.maintain();
        tokio::pin!(maintained);
        tokio::select! {
            () = &mut maintained => {}
            () = self.obey(orders) => {}
        }
        self.shared.note(Level::Info, "draining: no new connections");
        self.drain().await;
    }

    /// Obeys messages until the server must drain. Callers that wait then are told that it is stopping.
    async fn obey(&self, mut orders: Orders) {
        let mut put_off = None;
        loop {
            let next = match put_off.take() {
                Some(message) => Some(message),
                None => orders.next().await,
            };
            let Some(message) = next else { return };
            match message {
                Message::Tenants(first) => {
                    let mut batch = vec![*first];
                    put_off = orders.gather(&mut batch).await;
                    self.change_tenants(batch);
                }
                // The caller may have stopped waiting. The log has the result as well.
                Message::Reload { by, answer } => {
                    let _ = answer.send(self.reload_by(by));
                }
                Message::Switch { switch, by, answer } => {
                    let _ = answer.send(self.switch_by(&switch, by));
                }
                Message::Host { change, by, answer } => {
                    let _ = answer.send(self.change_host_by(*change, by));
                }
                Message::End { id, by, answer } => {
                    let client = self.shared.stats.connection(id).map(|connection| connection.opening.client);
                    let ended = self.shared.stats.end(id);
                    if let Some(client) = client.filter(|_| ended) {
                        let text = format!("{by} ends connection {id} of {}", client.ip());
                        self.shared.note(Level::Info, &text);
                    }
                    let _ = answer.send(ended);
                }
            }
        }
    }

    /// Reloads as a whole or not at all: after an error the running table stays as it is, and the log says why.
    fn reload_by(&self, by: By) -> Result<Reloaded, ServerError> {
        if by != By::Signal {
            self.shared.note(Level::Info, &format!("{by} asks for a reload"));
        }
        self.reload(by).inspect_err(|refused| {
            let text = format!("{}\nreload refused: everything stays as it was", refused.text.trim_end());
            self.shared.note(Level::Error, &text);
        })
    }
}

//! The Chrome DevTools Protocol on one connection: commands with their answers, and events between them.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message as Frame, WebSocket};

use crate::harness::Wire;

/// A connection to a page. Events are kept until they are read.
pub(super) struct DevTools {
    socket: WebSocket<Wire>,
    number: u64,
    events: VecDeque<Value>,
}

impl DevTools {
    pub(super) fn new(socket: WebSocket<Wire>) -> Self {
        Self { socket, number: 0, events: VecDeque::new() }
    }

    /// Sends a command. Returns its result. An error: the protocol's error, or a missing answer.
    pub(super) fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let number = self.send(method, params)?;
        loop {
            let mut said = self.read()?;
            if said["id"] == number {
                return match &said["error"] {
                    Value::Null => Ok(said["result"].take()),
                    error => Err(format!("{method}: {error}")),
                };
            }
            self.keep(said);
        }
    }

    /// Sends a command without waiting for its answer. Returns its number.
    pub(super) fn send(&mut self, method: &str, params: Value) -> Result<u64, String> {
        self.number += 1;
        let request = json!({ "id": self.number, "method": method, "params": params });
        self.socket.send(Frame::text(request.to_string())).map_err(|error| error.to_string())?;
        Ok(self.number)
    }

    /// The next event of any kind.
    pub(super) fn event(&mut self) -> Result<Value, String> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let said = self.read()?;
            self.keep(said);
        }
    }

    /// Takes the events that have come so far.
    pub(super) fn take_events(&mut self) -> VecDeque<Value> {
        std::mem::take(&mut self.events)
    }

    fn keep(&mut self, said: Value) {
        if said["method"].is_string() {
            self.events.push_back(said);
        }
    }

    fn read(&mut self) -> Result<Value, String> {
        let frame = self.socket.read().map_err(|error| error.to_string())?;
        Ok(serde_json::from_str(frame.to_text().unwrap_or_default()).unwrap_or_default())
    }
}

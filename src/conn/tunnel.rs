//! A WebSocket to a target: once HTTP has opened it, octets go both ways until one side or Portward ends it.

use super::client::Client;
use super::leave::{close_both, withdrawn};
use crate::ending::Ending;
use crate::relay::tunnel::tunnel;
use crate::upstream::Connection;

/// A WebSocket, and the host that it was opened for.
pub(super) struct Tunnel {
    /// The connection to the target, which has switched protocols.
    pub(super) target: Connection,
    /// The host by its name in the table.
    pub(super) host: Box<str>,
    /// The tenant whose path has led to the host.
    pub(super) tenant: Option<Box<str>>,
}

impl Tunnel {
    /// Relays octets both ways until one side or Portward ends the tunnel.
    pub(super) async fn run(mut self, client: &mut Client) -> Ending {
        let shared = client.worker.shared.clone();
        let idle = shared.snapshot.load().config.limits.idle_timeout.tunnel;
        let meter = client.live.toward(self.target.reached.as_ref());
        let target = &mut self.target.leg;
        client.leg.stream.keep_alive();
        target.stream.watch_tunnel();
        tokio::select! {
            by = tunnel(&mut client.leg, target, &mut client.timer, idle, meter) => {
                by.peacefully()
            }
            ended = withdrawn(&shared, (&*self.host, self.tenant.as_deref()), &client.live) => {
                close_both(&mut client.leg, target).await;
                ended
            }
        }
    }
}

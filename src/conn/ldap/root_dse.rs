//! Searches before a bind: those of the root DSE are answered if that is configured (SPEC section 2, `ldap.root_dse`).

use tokio::time::timeout;

use super::super::{Client, ask};
use super::First;
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::ldap::{self, LDAP_LIMIT, Operation};
use crate::reason::Reason;
use crate::relay::ldap::answer;
use crate::service::{Service, Transport};
use crate::stats::Direction;

/// How many searches of the root DSE are answered before a bind.
const ANSWERED: u8 = 10;

/// A search before a bind. One of the root DSE is answered if that is configured; `answered`: how many were. `Ok(None)`: it
/// was answered, and something else may come.
pub(super) async fn search(client: &mut Client, id: u32, answered: &mut u8) -> Result<Option<First>, Ending> {
    let (found, len) = ask::first(client, LDAP_LIMIT, false, ldap::root_dse).await?;
    let Some(search) = found else { return Ok(Some(First::Operation(id, Operation::Search))) };
    let snapshot = client.worker.shared.snapshot.load_full();
    if !snapshot.config.ldap_root_dse || *answered >= ANSWERED {
        return Ok(Some(First::RootDse(id)));
    }
    *answered += 1;
    let start_tls =
        client.facts.transport() == Transport::Plain && snapshot.server_tls.acceptor(Service::Ldap).is_some();
    let answer = answer::root_dse(&search, start_tls);
    client.leg.buffer.consume(len);
    let written = timeout(snapshot.config.limits.inspect_timeout, client.leg.write_all(&answer)).await;
    if !matches!(written, Ok(Ok(()))) {
        return Err(Ending::because(Stage::Ask, Whose::Client, Reason::Aborted));
    }
    client.live.add(Direction::Down, answer.len() as u64);
    ask::in_time(client).await.map(|()| None)
}

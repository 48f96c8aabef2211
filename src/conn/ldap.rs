//! LDAP: ask, route, link and relay, once a connection.

use super::Client;

/// Serves a client until its connection ends.
pub(super) async fn serve(client: Client) {
    drop(client);
}

//! The common filters of lists of connections and of decisions.

use std::net::IpAddr;

use super::daemon::filters;
use crate::service::Service;
use crate::stats::AtTarget;

/// The filter for connections or decisions.
#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Only those of this client
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// Only those to this host, by its name in the rules or as the client has asked for it
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Only those of this service
    #[arg(long, value_name = "SERVICE", value_parser = Service::ALL.map(Service::name))]
    service: Option<String>,
    /// Only those to this target, on any port or on one, as 172.31.31.2 or 172.31.31.2:5061
    #[arg(long, value_name = "ADDRESS")]
    target: Option<AtTarget>,
}

impl Filters {
    /// The filters for a query, after its first key.
    pub(super) fn query(&self) -> String {
        filters([
            ("client", self.client.map(|address| address.to_string())),
            ("host", self.host.clone()),
            ("service", self.service.clone()),
            ("target", self.target.map(|address| address.to_string())),
        ])
    }
}

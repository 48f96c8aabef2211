//! The rules: names, paths, presets and the immutable table that answers where something may go (SPEC section 2).
//!
//! Pure: no I/O, no clock, no configuration. A look-up costs the same with ten hosts and with a million.

mod builder;
pub mod changes;
mod check;
pub mod decide;
mod definition;
mod domain;
mod exchange;
pub mod fingerprint;
mod likeness;
pub mod name;
pub mod near;
pub mod path;
mod paths;
pub mod ports;
mod reading;
mod segments;
mod table;
mod tenant_id;
mod tenants;
mod unsafe_path;
mod utf8;
mod ways;
mod websocket;

pub use builder::{Builder, Conflict};
pub use check::{Check, FAILBACK, LONGEST_FAILBACK, Probe};
pub use definition::*;
pub use exchange::ExchangeRule;
pub use table::{Captured, Host, HttpMatch, Table};
pub use tenant_id::{LONGEST_TENANT_ID, LONGEST_TENANT_NAME, is_of_tenant_id, is_tenant_id};
pub use tenants::{Tenant, Tenants};
pub use ways::Way;
pub use websocket::{Onward, OnwardTo, Origins, WEBSOCKET_WAIT, WebSocketRule};

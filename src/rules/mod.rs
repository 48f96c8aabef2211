//! The rules: names, paths, presets, and the immutable table that decides where a request may go (contract section 2).
//!
//! Pure: no I/O, no clock, no configuration. A look-up takes the same time with ten hosts and with a million.
//!
//! | files | what is in them |
//! |---|---|
//! | `definition`, `check`, `exchange`, `websocket` | the contents of the rules, valid by type, not compiled |
//! | `builder`, `table` | the compiler, and the table itself: hosts and their rules |
//! | `name`, `path`, `utf8`, `likeness`, `reading`, `unsafe_path` | compared forms of names and paths, and refused paths |
//! | `paths`, `segments` | the rule of a host that matches a path: by heads, or by whole segments |
//! | `tenants`, `tenant_id`, `domain` | tenants, their ids, and the SIP domains at which their credentials are valid |
//! | `decide`, `ports` | the decision about a request, and the choice between plain and TLS to the target |
//! | `ways`, `near`, `changes`, `fingerprint` | other readers of the table: all targets, similar names, changes, ETags |

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
pub use ways::HostService;
pub use websocket::{Onward, OnwardTo, Origins, WEBSOCKET_WAIT, WebSocketRule};

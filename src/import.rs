//! Lists of accounts of other systems become tenants (contract section 9, *Accounts (Kazoo)*). Pure.
//!
//! `text` removes comments from JSON. `kazoo` reads account documents. `planned` compares them with the existing
//! tenants and plans the changes.

mod kazoo;
mod planned;
mod text;

pub use kazoo::{Account, Accounts, read};
pub use planned::{Change, ExistingTenant, Plan, PlannedTenant, plan};
pub use text::{Remark, TextPosition};

/// The mark that a tenant carries if this import has made it.
pub const KAZOO: &str = "kazoo";

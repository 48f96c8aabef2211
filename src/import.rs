//! Lists of accounts of other systems become tenants (contract section 9, *Accounts (Kazoo)*). Pure.
//!
//! `text` takes comments out of JSON, `kazoo` reads account documents, `planned` compares them with the tenants that there are
//! and says what is to change.

mod kazoo;
mod planned;
mod text;

pub use kazoo::{Account, Accounts, read};
pub use planned::{Change, Known, Plan, Wanted, plan};
pub use text::{Remark, Spot};

/// What tenants carry that this import has made.
pub const KAZOO: &str = "kazoo";

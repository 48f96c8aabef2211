//! The rules: names, paths, presets and the immutable table that answers where something may go (SPEC section 2).
//!
//! Pure: no I/O, no clock, no configuration. A look-up costs the same with ten hosts and with a million.

mod definition;
pub mod name;
pub mod path;
mod table;

pub use definition::*;
pub use table::{Builder, Conflict, Table};

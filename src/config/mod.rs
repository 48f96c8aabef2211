//! Configuration: the file form becomes the valid form, once (contract section 7).
//!
//! Every error of a file is found in one go; each points at the very characters and says what would be right.
//! Nothing that comes out of here can be wrong any more.

mod admin;
mod diagnostic;
mod diagnostics;
pub(crate) mod edit;
mod effect;
mod file;
mod hidden;
mod keys;
mod listen;
mod load;
mod overrides;
mod report;
mod ruleset;
mod scalar;
mod secrets;
mod sections;
mod sip;
mod suggest;
mod syntax;
mod terms;
mod text;
mod valid;
mod values;
mod walk;

pub use diagnostic::{Diagnostic, Location, Severity};
pub use diagnostics::Diagnostics;
pub(crate) use load::check_with;
pub use load::{Checked, Everything, Loaded, admin_socket, check, load, load_all};
pub(crate) use overrides::{Kind, Overrides, Switches};
pub use ruleset::{Foundation, Rules, load_rules};
pub(crate) use ruleset::{Instead, Made, MadeTenant, Making, Unmade, normal_name, unread_made};
pub(crate) use text::{text_of, why};
pub use valid::*;

/// Reads a duration as configuration files have it: `"10s"`, `"5m"`.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    scalar::duration(text).map_err(said)
}

/// Reads how long an entry of the blacklist stays, as configuration files have it: `"10s"`, `"5m"`; `None`: `"never"` ends.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(crate) fn expiration(text: &str) -> Result<Option<std::time::Duration>, String> {
    scalar::expiration(text).map_err(said)
}

/// What is wrong, and what would be right.
fn said(fault: report::Fault) -> String {
    match fault.hint() {
        Some(help) => format!("{}; {help}", fault.message()),
        None => fault.message().to_owned(),
    }
}

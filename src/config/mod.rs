//! Configuration: the file form becomes the valid form, once (contract section 7).
//!
//! All errors of a file are found at once. Each points at the exact characters and says what would be right. The result
//! is always valid.

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
mod tree;
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

/// Reads a duration in the form of configuration files: `"10s"`, `"5m"`.
///
/// # Errors
/// What is wrong with the text, and what would be right.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    scalar::duration(text).map_err(said)
}

/// Reads how long an entry of the blacklist lasts, in the form of configuration files: `"10s"`, `"5m"`. `None`: the
/// text is `"never"`, and the entry has no end.
///
/// # Errors
/// What is wrong with the text, and what would be right.
pub(crate) fn expiration(text: &str) -> Result<Option<std::time::Duration>, String> {
    scalar::expiration(text).map_err(said)
}

/// The message: what is wrong, and what would be right.
fn said(fault: report::Fault) -> String {
    match fault.hint() {
        Some(help) => format!("{}; {help}", fault.message()),
        None => fault.message().to_owned(),
    }
}

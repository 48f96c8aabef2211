//! Configuration: the file form becomes the valid form, once (SPEC section 7).
//!
//! Every error of a file is found in one go; each points at the very characters and says what would be right.
//! Nothing that comes out of here can be wrong any more.

mod diagnostic;
mod diagnostics;
mod effect;
mod file;
mod keys;
mod listen;
mod load;
mod report;
mod ruleset;
mod scalar;
mod sections;
mod suggest;
mod terms;
mod text;
mod valid;
mod values;
mod walk;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use diagnostics::Diagnostics;
pub use load::{Checked, Everything, Loaded, check, load, load_all};
pub use ruleset::{Rules, load_rules};
pub use valid::*;

/// Reads a duration as configuration files have it: `"10s"`, `"5m"`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    scalar::duration(text).map_err(|fault| fault.message().to_owned())
}

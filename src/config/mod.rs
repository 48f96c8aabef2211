//! Configuration: the file form becomes the valid form, once (SPEC section 7).

mod diagnostic;
mod valid;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use valid::*;

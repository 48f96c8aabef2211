//! Request paths: what is safe.

use std::fmt;

/// Why a path could be understood in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsafe(&'static str);

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unsafe {}

/// Whether a rule may have this path.
pub fn check_rule_path(path: &str) -> Result<(), Unsafe> {
    if path.contains("//") {
        return Err(Unsafe("it has an empty segment"));
    }
    if path.contains('\\') {
        return Err(Unsafe("it has a backslash"));
    }
    if path.split('/').any(|s| s == "." || s == "..") {
        return Err(Unsafe("it has a dot segment"));
    }
    Ok(())
}

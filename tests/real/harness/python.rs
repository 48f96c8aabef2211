//! The Python environment of the tests, `target/python`.

use std::path::{Path, PathBuf};

/// The tests' own Python. A missing one fails the test and names the command that makes it.
pub fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("python/bin/python");
    let wanted = std::fs::read_to_string("scripts/python-packages").unwrap();
    let installed = std::fs::read_to_string(target.join("python/installed")).unwrap_or_default();
    assert!(
        python.is_file() && wanted == installed,
        "packages are missing: run scripts/python-env, or scripts/test"
    );
    python
}

//! The npm packages for the tests, `target/node`.

use std::path::{Path, PathBuf};

/// A file of these packages. A missing one fails the test and names the command that makes it.
pub fn node_file(name: &str) -> PathBuf {
    let node = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("node");
    let wanted = std::fs::read_to_string("scripts/node/package-lock.json").unwrap();
    let installed = std::fs::read_to_string(node.join("installed")).unwrap_or_default();
    let file = node.join(name);
    assert!(
        file.is_file() && wanted == installed,
        "packages are missing: run scripts/node-env, or scripts/test"
    );
    file
}

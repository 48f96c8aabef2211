//! curl as the user.

use std::process::{Command, Stdio};

use super::program;

/// The result of curl.
#[derive(Debug)]
pub struct Curl {
    /// Its exit code (see curl(1)).
    pub code: i32,
    /// Standard output: the body, and the values for `--write-out`.
    pub out: String,
    /// Standard error.
    #[expect(dead_code, reason = "shown when a test fails")]
    pub errors: String,
}

/// Runs curl with a time limit, without the user's configuration and proxies.
pub fn curl(args: &[&str]) -> Curl {
    let output = Command::new(program("curl", "curl"))
        .args(["--disable", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Curl {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

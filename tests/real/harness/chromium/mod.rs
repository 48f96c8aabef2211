//! A real Chromium without a window, controlled by its DevTools port (Chrome DevTools Protocol, one WebSocket for each
//! page).

mod devtools;
mod input;
mod page;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Child, Wire, program, web_socket};
use devtools::DevTools;

pub use page::Page;

/// A running browser.
pub struct Chromium {
    child: Child,
    _home: TempDir,
}

impl Chromium {
    /// Starts one that trusts this CA and resolves hosts by `map` (`--host-resolver-rules`). `more` are further
    /// arguments.
    pub fn start(ca: &Path, map: &str, more: &[&str]) -> Self {
        let home = home(ca);
        let child = Child::start(
            Command::new(program("chromium", "chromium"))
                .env("HOME", home.path())
                .env("TMPDIR", home.path())
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
                .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
                .args(["--disable-dev-shm-usage", "--disable-extensions", "--no-proxy-server"])
                .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
                .arg(format!("--host-resolver-rules={map}"))
                .arg("--remote-debugging-port=0")
                .args(more),
        );
        Self { child, _home: home }
    }

    /// All lines that it has written so far.
    pub fn lines(&self) -> Vec<String> {
        self.child.lines()
    }

    /// Opens a page in a tab of its own.
    pub fn open(&self, url: &str) -> Page {
        let line = self.child.line_after(0, &["DevTools listening on ws://127.0.0.1:"]);
        let port = line.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
        let host = format!("127.0.0.1:{port}");
        let request = format!("PUT /json/new?{url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let tab: Value = serde_json::from_slice(&Wire::plain(port).ask(request).body).unwrap();
        let path = format!("/devtools/page/{}", tab["id"].as_str().unwrap());
        let socket = web_socket(Wire::plain(port), &host, &path).unwrap().0;
        Page::new(DevTools::new(socket))
    }

    /// Opens an empty page and watches it from its first octet on. So [`Page::troubles`] and [`Page::requests`] are
    /// complete.
    pub fn watched(&self) -> Page {
        let page = self.open("about:blank");
        page.watch();
        page
    }
}

/// A home folder whose certificate store trusts a CA.
fn home(ca: &Path) -> TempDir {
    let home = TempDir::new().unwrap();
    let store = home.path().join(".pki/nssdb");
    fs::create_dir_all(&store).unwrap();
    let database = format!("sql:{}", store.display());
    for args in [
        vec!["-N", "--empty-password"],
        vec!["-A", "-n", "Portward test CA", "-t", "C,,", "-i", ca.to_str().unwrap()],
    ] {
        let status = Command::new(program("certutil", "libnss3-tools"))
            .args(["-d", &database])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "certutil: {status}");
    }
    home
}

//! A real Chromium without a window, told what to do over its DevTools port (Chrome DevTools Protocol, one WebSocket a page).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message as Frame, WebSocket};

use super::{Child, Wire, program, web_socket};

/// A running browser.
pub struct Chromium {
    child: Child,
    _home: TempDir,
}

impl Chromium {
    /// Starts one that trusts this CA and finds hosts as `map` says (`--host-resolver-rules`); `more` are further arguments.
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

    /// Everything that it has written so far.
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
        Page { tab: Mutex::new(Tab { socket, number: 0 }) }
    }
}

/// A page in a browser.
pub struct Page {
    tab: Mutex<Tab>,
}

struct Tab {
    socket: WebSocket<Wire>,
    number: u64,
}

impl Page {
    /// The value of a JavaScript expression, of its promise if it is one. An exception fails the test.
    pub fn run(&self, expression: &str) -> Value {
        self.tab.lock().unwrap().run(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The same; what went wrong if there was an exception, or no value in time.
    pub fn try_run(&self, expression: &str) -> Result<Value, String> {
        self.tab.lock().unwrap().run(expression)
    }
}

impl Tab {
    fn run(&mut self, expression: &str) -> Result<Value, String> {
        self.number += 1;
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let request = json!({ "id": self.number, "method": "Runtime.evaluate", "params": params });
        self.socket.send(Frame::text(request.to_string())).map_err(|error| error.to_string())?;
        loop {
            let frame = self.socket.read().map_err(|error| error.to_string())?;
            let answer: Value = serde_json::from_str(frame.to_text().unwrap_or_default()).unwrap_or_default();
            if answer["id"] != self.number {
                continue;
            }
            let result = &answer["result"];
            return match &result["exceptionDetails"] {
                Value::Null if answer["error"].is_null() => Ok(result["result"]["value"].clone()),
                _ => Err(answer.to_string()),
            };
        }
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

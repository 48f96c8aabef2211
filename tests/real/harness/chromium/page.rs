//! A page: JavaScript in it, its look, its requests and its errors.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::DevTools;
use crate::harness::PATIENCE;

/// A page in a browser.
pub struct Page {
    tab: Mutex<Tab>,
}

struct Tab {
    devtools: DevTools,
    troubles: Vec<String>,
    requests: Vec<String>,
}

impl Page {
    pub(super) fn new(devtools: DevTools) -> Self {
        Self { tab: Mutex::new(Tab { devtools, troubles: Vec::new(), requests: Vec::new() }) }
    }

    /// From now on troubles and requests are kept, and the page behaves as a visible one.
    pub(super) fn watch(&self) {
        for domain in ["Page", "Runtime", "Log", "Network", "Performance"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    }

    /// The result of a DevTools command.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let mut tab = self.tab.lock().unwrap();
        let answer = tab.devtools.call(method, params);
        tab.sort();
        drop(tab);
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends a command without waiting for its answer.
    pub fn command(&self, method: &str, params: Value) {
        self.tab.lock().unwrap().devtools.send(method, params).unwrap();
    }

    /// The next DevTools event. [`Self::call`], and methods that use it, take events away. Use [`Self::command`]
    /// together with this.
    pub fn event(&self) -> Value {
        self.tab.lock().unwrap().devtools.event().unwrap()
    }

    /// The value of a JavaScript expression, or of its promise. An exception fails the test.
    pub fn run(&self, expression: &str) -> Value {
        self.try_run(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The same. An error: there was an exception, or no value in time.
    pub fn try_run(&self, expression: &str) -> Result<Value, String> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let mut tab = self.tab.lock().unwrap();
        let result = tab.devtools.call("Runtime.evaluate", params);
        tab.sort();
        drop(tab);
        let mut result = result?;
        match &result["exceptionDetails"] {
            Value::Null => Ok(result["result"]["value"].take()),
            details => Err(details.to_string()),
        }
    }

    /// Waits until a JavaScript expression is true, and returns its value. A failure shows the page's contents.
    pub fn until(&self, condition: &str) -> Value {
        self.until_within(PATIENCE, condition)
    }

    /// The same, for a condition that needs longer.
    pub fn until_within(&self, patience: Duration, condition: &str) -> Value {
        let deadline = Instant::now() + patience;
        loop {
            // A page that is loading may throw an exception, or may have no context for an expression. Both count as
            // not true.
            let last = match self.try_run(condition) {
                Ok(value) if is_truthy(&value) => return value,
                Ok(value) => value.to_string(),
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                let text = self.try_run("document.body.innerText").unwrap_or_default();
                let text: String = text.as_str().unwrap_or_default().chars().take(6000).collect();
                panic!(
                    "waited {patience:?} in vain for {condition}: {last}\nThe page shows:\n{text}\nTroubles: {:#?}",
                    self.troubles()
                );
            }
            thread::sleep(Duration::from_millis(25));
        }
    }

    /// Goes to a URL and waits until it is loaded.
    pub fn go(&self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.until("document.readyState === 'complete'");
    }

    /// Sets width and height in pixels. A phone has a touch screen, and two dots a pixel.
    pub fn size(&self, (width, height): (u32, u32), is_phone: bool) {
        let scale = if is_phone { 2 } else { 1 };
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone }),
        );
    }

    /// Sets the system's preferences, such as `[("prefers-color-scheme", "dark")]`.
    pub fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// A picture (PNG) of the visible part, or of the whole page.
    pub fn picture(&self, is_whole: bool) -> Vec<u8> {
        let answer = self.call(
            "Page.captureScreenshot",
            json!({ "format": "png", "captureBeyondViewport": is_whole, "optimizeForSpeed": false }),
        );
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    /// The cookies, each with its attributes (`httpOnly`, `sameSite`, `secure`).
    pub fn cookies(&self) -> Vec<Value> {
        self.call("Network.getCookies", json!({}))["cookies"].as_array().unwrap().clone()
    }

    /// Signs of a faulty page: exceptions, errors and warnings on the console, breaches of the Content-Security-Policy,
    /// dialogues. An answer of 4xx or 5xx is not such a sign.
    pub fn troubles(&self) -> Vec<String> {
        // When this answer has come all earlier events have been read.
        let _ = self.try_run("0");
        self.tab.lock().unwrap().troubles.clone()
    }

    /// Fails the test if there were troubles, or requests to another origin than `origin`.
    pub fn is_well(&self, origin: &str) {
        let troubles = self.troubles();
        assert!(troubles.is_empty(), "{troubles:#?}");
        let strange: Vec<_> = self
            .requests()
            .into_iter()
            .filter(|url| !url.starts_with(&format!("{origin}/")) && !url.starts_with("about:"))
            .collect();
        assert!(strange.is_empty(), "only {origin} is asked: {strange:#?}");
    }

    /// Every URL that the page has requested.
    pub fn requests(&self) -> Vec<String> {
        let _ = self.try_run("0");
        self.tab.lock().unwrap().requests.clone()
    }

    /// A figure of the page's performance (`Nodes`, `JSHeapUsedSize`, `Documents`, `JSEventListeners`), after a garbage
    /// collection.
    pub fn measured(&self, name: &str) -> f64 {
        self.call("HeapProfiler.collectGarbage", json!({}));
        let metrics = self.call("Performance.getMetrics", json!({}));
        let found = metrics["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {metrics}"))["value"].as_f64().unwrap()
    }
}

impl Tab {
    /// Takes from the events those that are kept.
    fn sort(&mut self) {
        for event in self.devtools.take_events() {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    // A page that follows for an hour sends many requests. Each URL is kept once.
                    let url = params["request"]["url"].as_str().unwrap_or_default().to_owned();
                    if !self.requests.contains(&url) {
                        self.requests.push(url);
                    }
                }
                "Runtime.exceptionThrown" => {
                    self.troubles.push(format!("exception: {}", params["exceptionDetails"]))
                }
                "Runtime.consoleAPICalled" if is_loud(&params["type"]) => {
                    self.troubles.push(format!("console: {}", params["args"]));
                }
                "Log.entryAdded" if is_loud(&params["entry"]["level"]) && !is_an_answer(&params["entry"]) => {
                    self.troubles.push(format!("log: {}", params["entry"]));
                }
                "Page.javascriptDialogOpening" => self.troubles.push(format!("dialog: {params}")),
                _ => {}
            }
        }
    }
}

/// Whether JavaScript takes this value for true.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn is_loud(level: &Value) -> bool {
    matches!(level.as_str(), Some("error" | "warning" | "assert"))
}

/// Whether the browser itself has written to the console that an answer was 401, or that there was no answer.
fn is_an_answer(entry: &Value) -> bool {
    entry["source"] == "network"
}

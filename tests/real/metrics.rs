//! `/metrics`, read by a real Prometheus, and the files that are shipped for it (contract section 8, Metrics).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Child, Portward, Target, Wire, curl, eventually, free_port, ok, program, within};

/// Portward that has had traffic of several kinds.
fn busy() -> Portward {
    let (web, phone) = (Target::http(|_, _| ok("here")), pbx("one"));
    let portward = Portward::rules(&format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {} }}, \
         {{ path = \"/down\", tcp = 1 }}]\nsip = {{ tcp = {}, tls = false }}\n",
        web.port(),
        phone.port()
    ))
    .listen("sip")
    .listen("sips")
    .start();
    eventually("it listens", || UnixStream::connect(socket(&portward)).is_ok());
    for (path, status) in [("/open", 200), ("/down", 502), ("/shut", 404)] {
        assert_eq!(portward.plain().get("one.example.net", path).status(), status);
    }
    let mut sip = Wire::tls(portward.port("sips"), "one.example.net");
    sip.send(request("REGISTER", "ckl@one.example.net", ""));
    assert_eq!(next_message(&mut sip).unwrap().status(), 200);
    portward
}

fn socket(portward: &Portward) -> PathBuf {
    portward.dir().join("portward.sock")
}

fn scrape(portward: &Portward) -> String {
    let socket = socket(portward).display().to_string();
    curl(&["--fail", "--silent", "--show-error", "--unix-socket", &socket, "http://portward/metrics"]).out
}

/// The folder of files for Prometheus.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples/prometheus")
}

/// The output of promtool about its input, which must be valid.
fn promtool(args: &[&str], input: &str) -> String {
    let mut child = Command::new(program("promtool", "prometheus"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {args:?}: {said}");
    said
}

#[test]
fn metrics_of_a_running_portward_are_good_to_promtool() {
    within(60, || {
        let text = scrape(&busy());
        assert_eq!(promtool(&["check", "metrics"], &text).trim(), "", "{text}");
        let value = |series: &str| {
            let line = text.lines().find(|line| line.split(' ').next() == Some(series));
            let line = line.unwrap_or_else(|| panic!("no {series} in {text}"));
            line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        };
        for (series, expected) in [
            ("portward_decisions_total{service=\"http\",outcome=\"forwarded\"}", 1.0),
            ("portward_decisions_total{service=\"http\",outcome=\"rejected\"}", 2.0),
            ("portward_decisions_total{service=\"sip\",outcome=\"forwarded\"}", 1.0),
            ("portward_rejected_total{service=\"http\",reason=\"no-path\"}", 1.0),
            ("portward_rejected_total{service=\"http\",reason=\"target-down\"}", 1.0),
            ("portward_target_failures_total{service=\"http\",cause=\"refused\"}", 1.0),
            ("portward_connections_total{service=\"sip\",carrier=\"tls\"}", 1.0),
            ("portward_connections_total{service=\"http\",carrier=\"tcp\"}", 3.0),
            ("portward_tls_handshakes_total{side=\"client\",result=\"success\"}", 1.0),
            ("portward_target_connect_seconds_count{service=\"http\"}", 1.0),
            ("portward_target_first_byte_seconds_count{service=\"sip\"}", 1.0),
            ("portward_config_last_reload_successful", 1.0),
            ("portward_blacklist_entries", 0.0),
            ("portward_log_dropped_total", 0.0),
        ] {
            assert!((value(series) - expected).abs() < 0.5, "{series} is {}", value(series));
        }
        assert!(value("portward_certificate_expiry_timestamp_seconds{name=\"server\"}") > 1.7e9);
        assert!(value("process_open_fds") > 10.0 && value("process_resident_memory_bytes") > 1e6);
        for secret in ["one.example.net", "127.0.0.1", "ckl@"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    });
}

#[test]
fn metrics_say_that_a_reload_was_refused() {
    within(60, || {
        let portward = busy();
        portward.write_rules("nonsense");
        portward.hang_up();
        portward.line(&["reload refused"]);
        eventually("it is said", || {
            scrape(&portward).contains("\nportward_config_last_reload_successful 0\n")
        });
    });
}

/// A TCP port through which the socket can be reached.
fn bridge(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for tcp in listener.incoming() {
            let (Ok(tcp), Ok(unix)) = (tcp, UnixStream::connect(&socket)) else { return };
            let (mut from_tcp, mut to_unix) = (tcp.try_clone().unwrap(), unix.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from_tcp, &mut to_unix));
            let (mut from_unix, mut to_tcp): (UnixStream, TcpStream) = (unix, tcp);
            thread::spawn(move || {
                let _ = io::copy(&mut from_unix, &mut to_tcp);
                let _ = to_tcp.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    port
}

/// The shipped configuration and alerts in a folder of their own, for a Portward on that port.
fn site(port: u16) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::copy(shipped().join("alerts.yml"), dir.path().join("alerts.yml")).unwrap();
    let config = fs::read_to_string(shipped().join("prometheus.yml")).unwrap();
    assert!(config.contains("127.0.0.1:9400") && config.contains("scrape_interval: 15s"), "{config}");
    let config = config
        .replace("127.0.0.1:9400", &format!("127.0.0.1:{port}"))
        .replace("scrape_interval: 15s", "scrape_interval: 1s")
        .replace("evaluation_interval: 15s", "evaluation_interval: 1s");
    fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    fs::write(dir.path().join("portward-token"), "a-token\n").unwrap();
    dir
}

#[test]
fn metrics_are_scraped_by_a_real_prometheus_that_answers_a_query_about_them() {
    within(120, || {
        let portward = busy();
        let site = site(bridge(socket(&portward)));
        let file = |name: &str| site.path().join(name).display().to_string();
        promtool(&["check", "config", &file("prometheus.yml")], "");
        promtool(&["check", "rules", &file("alerts.yml")], "");
        let port = free_port();
        let _prometheus = Child::start(
            Command::new(program("prometheus", "prometheus"))
                .arg(format!("--config.file={}", file("prometheus.yml")))
                .arg(format!("--storage.tsdb.path={}", file("data")))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .current_dir(site.path()),
        );
        let ask = |query: &str| {
            let url = format!("http://127.0.0.1:{port}/api/v1/query");
            let said = curl(&["--silent", "--get", "--data-urlencode", &format!("query={query}"), &url]).out;
            let json: Value = serde_json::from_str(&said).ok()?;
            json["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
        };
        eventually("Prometheus has read Portward", || {
            ask("portward_decisions_total{service=\"http\",outcome=\"forwarded\"}").as_deref() == Some("1")
        });
        assert_eq!(ask("up{job=\"portward\"}").as_deref(), Some("1"));
        assert_eq!(ask("sum(portward_rejected_total{reason=\"no-path\"})").as_deref(), Some("1"));
        assert_eq!(ask("count(portward_build_info)").as_deref(), Some("1"));
        // Prometheus understands the expression of each alert and each curve.
        for expression in expressions() {
            let url = format!("http://127.0.0.1:{port}/api/v1/query");
            let said =
                curl(&["--silent", "--get", "--data-urlencode", &format!("query={expression}"), &url]).out;
            let json: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(json["status"], "success", "{expression}: {said}");
        }
    });
}

/// The expressions of the shipped dashboard, with its variables filled in.
fn expressions() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(shipped().join("grafana.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let all: Vec<_> = targets
        .map(|target| target["expr"].as_str().unwrap())
        .map(|text| text.replace("$__rate_interval", "1m").replace("$instance", ".*"))
        .collect();
    assert!(all.len() > 15, "{all:?}");
    all
}

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = words.filter(|word| word.starts_with("portward_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn metrics_that_alerts_and_dashboard_and_docs_name_are_rendered() {
    within(60, || {
        let text = scrape(&busy());
        let types: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .map(str::to_owned)
            .collect();
        let is_rendered = |name: &str| {
            let bare = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            types.contains(name) || bare.is_some_and(|bare| types.contains(bare))
        };
        let alerts = fs::read_to_string(shipped().join("alerts.yml")).unwrap();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        let docs = fs::read_to_string(docs).unwrap();
        for (what, used) in [
            ("alerts", names(&alerts)),
            ("dashboard", names(&expressions().join(" "))),
            ("docs", names(&docs)),
        ] {
            assert!(used.len() > 5, "{what}: {used:?}");
            let unknown: Vec<_> = used.iter().filter(|name| !is_rendered(name)).collect();
            assert!(unknown.is_empty(), "{what}: {unknown:?}");
        }
        // The docs name all of them.
        let missing: Vec<_> = types.iter().filter(|name| !names(&docs).contains(*name)).collect();
        assert!(missing.is_empty(), "docs/metrics.md has nothing of {missing:?}");
    });
}

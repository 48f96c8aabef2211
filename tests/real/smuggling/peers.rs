//! Two targets that record what they read: a strict one, and a widely used one.

use std::cell::RefCell;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Child, Identity, Nginx, TestCa, eventually, python};

/// A request as a target read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The Host field.
    pub host: String,
    /// The method.
    pub method: String,
    /// The request target, as it came.
    pub target: String,
    /// The body without its framing.
    pub body: String,
    /// The body came whole.
    pub whole: bool,
    /// Every field, if the target can tell.
    pub headers: Vec<(String, String)>,
    /// The objections of a strict reader, although this one went on.
    pub unclean: Vec<String>,
}

/// A target that records every request that it reads.
pub struct Peer {
    program: Program,
    /// How many of its lines were read, and the requests in them.
    read: RefCell<(usize, Vec<Seen>)>,
}

enum Program {
    /// A recording target on h11, which reads as RFC 9112 says.
    H11 { child: Child, port: u16 },
    /// nginx, with the body in its access log.
    Nginx(Nginx),
}

impl Peer {
    /// The strict target.
    pub fn h11() -> Self {
        let child = Child::start(Command::new(python()).arg("-u").arg(script("h11_target.py")));
        let mut port = None;
        eventually("the recording target listens", || {
            port = child.lines().iter().find_map(|line| json(line)["port"].as_u64());
            port.is_some()
        });
        Self::of(Program::H11 { child, port: u16::try_from(port.unwrap()).unwrap() })
    }

    /// nginx.
    pub fn nginx() -> Self {
        Self::of(Program::Nginx(Nginx::with_config(&identity(), nginx_config)))
    }

    fn of(program: Program) -> Self {
        Self { program, read: RefCell::default() }
    }

    /// The name of the program.
    pub fn name(&self) -> &'static str {
        match self.program {
            Program::H11 { .. } => "h11",
            Program::Nginx(_) => "nginx",
        }
    }

    /// Its plain port.
    pub fn port(&self) -> u16 {
        match &self.program {
            Program::H11 { port, .. } => *port,
            Program::Nginx(nginx) => nginx.plain,
        }
    }

    /// The requests that it has read so far. Requests on their way are included, except with nginx, which writes a
    /// request down when it is done with it.
    pub fn seen(&self, which: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let (read, seen) = &mut *self.read.borrow_mut();
        match &self.program {
            Program::H11 { child, .. } => {
                let lines = child.lines_since(*read);
                lines.iter().for_each(|line| read_event(line, seen));
                *read += lines.len();
            }
            Program::Nginx(nginx) => {
                let log = nginx.access_log();
                // The last line may not be complete yet.
                let complete = log.rfind('\n').map_or("", |end| &log[..end]);
                let lines: Vec<&str> = complete.lines().skip(*read).collect();
                seen.extend(lines.iter().map(|line| read_entry(line)));
                *read += lines.len();
            }
        }
        seen.iter().filter(|seen| which(seen)).cloned().collect()
    }
}

fn read_event(line: &str, seen: &mut Vec<Seen>) {
    let event = json(line);
    if event["request"].is_u64() {
        let headers = pairs(&event["headers"]);
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        seen.push(Seen {
            host: host.map(|(_, value)| value.clone()).unwrap_or_default(),
            method: string(&event["method"]),
            target: string(&event["target"]),
            body: String::new(),
            whole: false,
            unclean: event["unclean"].as_array().into_iter().flatten().map(string).collect(),
            headers,
        });
    } else if let Some(number) = event["end"].as_u64() {
        let request = &mut seen[usize::try_from(number).unwrap()];
        request.body = string(&event["body"]);
        request.whole = true;
        request.headers.extend(pairs(&event["trailers"]));
    }
}

fn read_entry(line: &str) -> Seen {
    let entry = json(line);
    Seen {
        host: string(&entry["host"]),
        method: string(&entry["method"]),
        target: string(&entry["target"]),
        body: string(&entry["body"]),
        whole: entry["status"] == "200",
        headers: Vec::new(),
        unclean: Vec::new(),
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or(Value::Null)
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.as_array().into_iter().flatten().map(|pair| (string(&pair[0]), string(&pair[1]))).collect()
}

fn script(name: &str) -> String {
    format!("tests/real/smuggling/{name}")
}

fn identity() -> Identity {
    TestCa::shared().issue(&["one.example.net"])
}

/// The outer server reads the whole request and logs it. The inner one answers.
fn nginx_config(plain: u16, tls: u16, dir: &str) -> String {
    format!(
        r#"daemon off;
master_process off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 512; }}
http {{
    log_format seen escape=json '{{"method":"$request_method","target":"$request_uri","host":"$http_host","body":"$request_body","status":"$status"}}';
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_body_buffer_size 1m;
    client_body_in_single_buffer on;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {dir}/server.crt;
        ssl_certificate_key {dir}/server.key;
        access_log {dir}/access.log seen;
        location / {{
            proxy_pass http://unix:{dir}/inner.sock:;
            add_header X-Server nginx;
        }}
    }}
    server {{
        listen unix:{dir}/inner.sock;
        access_log off;
        location / {{ return 200 "read"; }}
    }}
}}
"#
    )
}

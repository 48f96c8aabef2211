//! A real nginx as the web server of a PBX.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::{Child, Identity, TestCa, eventually, free_port, program};

/// A running nginx. Its answers have its name, the reached port, and the request as it saw it.
pub struct Nginx {
    /// Its plain port.
    pub plain: u16,
    /// Its TLS port.
    pub tls: u16,
    dir: TempDir,
    _child: Child,
}

impl Nginx {
    /// Starts one with this `name`, and with a certificate for the name from the shared test CA.
    pub fn start(name: &str) -> Self {
        Self::start_as(name, &TestCa::shared().issue(&[name]))
    }

    /// Starts one with that certificate.
    pub fn start_as(name: &str, identity: &Identity) -> Self {
        Self::with_config(identity, |plain, tls, dir| config(name, plain, tls, dir))
    }

    /// Starts one with the test's own configuration, made from its plain port, its TLS port and its folder.
    pub fn with_config(identity: &Identity, config: impl Fn(u16, u16, &str) -> String) -> Self {
        let nginx = program("nginx", "nginx");
        let dir = TempDir::new().unwrap();
        identity.write(dir.path(), "server");
        fs::create_dir(dir.path().join("files")).unwrap();
        for _ in 0..5 {
            let (plain, tls) = (free_port(), free_port());
            let file = dir.path().join("nginx.conf");
            fs::write(&file, config(plain, tls, &dir.path().to_string_lossy())).unwrap();
            let mut child = Child::start(
                Command::new(&nginx).arg("-p").arg(dir.path()).arg("-c").arg(&file).args(["-e", "stderr"]),
            );
            let mut ended = None;
            eventually("nginx listens", || {
                ended = child.ended();
                ended.is_some()
                    || [plain, tls]
                        .iter()
                        .all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok())
            });
            if ended.is_none() {
                return Self { plain, tls, dir, _child: child };
            }
            let lines = child.lines().join("\n");
            assert!(lines.contains("Address already in use"), "nginx ended:\n{lines}");
        }
        panic!("no free port for nginx");
    }

    /// A folder whose files are served under `/files/`.
    pub fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// One line a request: port, host, request line, status.
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }
}

/// One process, in the foreground, with every file in `dir`.
fn config(name: &str, plain: u16, tls: u16, dir: &str) -> String {
    format!(
        r#"daemon off;
master_process off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    log_format plain '$server_port $http_host "$request" $status';
    access_log {dir}/access.log plain;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size 0;
    large_client_header_buffers 4 64k;
    merge_slashes off;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {dir}/server.crt;
        ssl_certificate_key {dir}/server.key;
        default_type text/plain;
        add_header X-Server {name} always;
        location / {{
            return 200 "server={name}\nport=$server_port\nscheme=$scheme\nsni=$ssl_server_name\nmethod=$request_method\nuri=$request_uri\nhost=$http_host\nforwarded-for=$http_x_forwarded_for\nforwarded-proto=$http_x_forwarded_proto\n";
        }}
        location /files/ {{ root {dir}; }}
    }}
}}
"#
    )
}

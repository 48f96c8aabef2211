//! The targets: an nginx that answers at once and tells its own name, so that every answer shows its route.

use std::fs;
use std::path::Path;

use crate::Failure;
use crate::process::{Process, free_port, write};

/// The length of the large file. It fits into a processor's cache, so that copying is measured, not the memory.
pub(crate) const LARGE: u64 = 8_000_000;

/// The path of small answers; the rule is its beginning, [`RULE`].
pub(crate) const SMALL: &str = "/PBX0/APPS/app_manager/info";
/// The path of the large file.
pub(crate) const LARGE_PATH: &str = "/PBX0/large";
/// The path of an answer that contains the forwarded fields: Host, X-Forwarded-For, X-Forwarded-Proto.
pub(crate) const SEEN: &str = "/PBX0/seen";
/// The path in the rules.
pub(crate) const RULE: &str = "/PBX0";

/// The two hosts in the rules of every proxy.
pub(crate) const HOSTS: [&str; 2] = ["pbx-a.example.net", "pbx-b.example.net"];

/// The targets of one host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// HTTP.
    pub(crate) plain: u16,
    /// HTTPS.
    pub(crate) tls: u16,
}

impl Ports {
    /// Two free ports.
    pub(crate) fn free() -> Result<Self, Failure> {
        Ok(Self { plain: free_port()?, tls: free_port()? })
    }
}

/// The running targets, one for each of [`HOSTS`].
pub(crate) struct Origin {
    pub(crate) targets: [Ports; 2],
    _process: Process,
}

impl Origin {
    /// Starts the targets on `cores`. `folder` has `all.crt` and `all.key`.
    pub(crate) fn start(folder: &Path, cores: Option<&str>) -> Result<Self, Failure> {
        let targets = [Ports::free()?, Ports::free()?];
        let root = folder.join("www");
        fs::create_dir_all(root.join("PBX0"))?;
        fs::File::create(root.join("PBX0/large"))?.set_len(LARGE)?;
        let mut text = nginx_head(folder, "origin");
        for (ports, name) in targets.iter().zip(["target-a", "target-b"]) {
            text.push_str(&format!(
                "server {{ listen 127.0.0.1:{} backlog=4096; listen 127.0.0.1:{} ssl backlog=4096;\n\
                 location / {{ return 200 \"{name}\\n\"; }}\n\
                 location = {LARGE_PATH} {{ root {}; }}\n\
                 location = {SEEN} {{ return 200 \"$http_host $http_x_forwarded_for $http_x_forwarded_proto\"; }} }}\n",
                ports.plain,
                ports.tls,
                root.display()
            ));
        }
        text.push_str("}\n");
        let process = start_nginx(folder, "origin", &text, cores, &[targets[0].plain, targets[1].tls])?;
        Ok(Self { targets, _process: process })
    }
}

/// Starts an nginx with the configuration `text`.
pub(crate) fn start_nginx(
    folder: &Path,
    name: &str,
    text: &str,
    cores: Option<&str>,
    ports: &[u16],
) -> Result<Process, Failure> {
    let file = write(folder, &format!("{name}.conf"), text)?;
    let prefix = folder.to_string_lossy();
    let command = ["nginx", "-e", "stderr", "-p", &prefix, "-c", &file];
    Process::start(&command, cores, ports, folder.join(format!("{name}.log")))
}

/// The common part of every nginx configuration here, up to and into its `http` block.
pub(crate) fn nginx_head(folder: &Path, name: &str) -> String {
    // As root it would change to a user who cannot read the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let folder = folder.display();
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{name}-{kind};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\n{user}pid {folder}/{name}.pid;\nerror_log stderr error;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n{places}access_log off;\ndefault_type text/plain;\nsendfile on;\ntcp_nopush on;\n\
         keepalive_timeout 300s;\nkeepalive_requests 1000000000;\n\
         ssl_certificate {folder}/all.crt;\nssl_certificate_key {folder}/all.key;\n\
         ssl_protocols TLSv1.3;\nssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n"
    )
}

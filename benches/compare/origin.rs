//! The targets: the machine's nginx, which answers at once and tells its own name, so that every answer shows its route.

use std::fs;
use std::path::Path;

use crate::Failure;
use crate::nginx::Nginx;
use crate::process::{Process, free_port};

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
        let nginx = Nginx { program: "nginx", folder, name: "origin" };
        let mut text = nginx.head(1) + &nginx.http(folder);
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
        let process = nginx.start(&text, cores, &[targets[0].plain, targets[1].tls])?;
        Ok(Self { targets, _process: process })
    }
}

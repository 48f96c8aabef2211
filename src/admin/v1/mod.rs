//! The resources under `/v1`, with JSON bodies (contract section 8, Admin API). Errors are described in `error`.
//!
//! [`RESOURCES`] is the table of resources: path, methods, and the right that a request needs. Each resource has a file
//! of its own. `docs/openapi.json` describes the same table, and a test compares both.

mod blacklist;
mod certificates;
mod condition;
mod connections;
mod decisions;
#[cfg(test)]
mod described;
mod explain;
mod history;
mod hosts;
mod listeners;
mod reload;
mod session;
mod status;
mod targets;
mod tenants;
mod token;
mod top;

pub(crate) use hosts::host_to_json;
pub(crate) use tenants::{TenantContext, tenant_to_json, whole_tenant_to_json};

use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

pub(crate) use explain::looked_up;

use super::access::{Access, Admitted, CameBy, NeededRight};
use super::answer::Answer;
use super::dashboard;
use super::events::Followers;
use super::metrics;
use super::query::Query;
use crate::guard::Origin;
use crate::server::{By, Control, ServerError};
use crate::state::Shared;

/// A request, and the client that sends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) control: &'a Control,
    pub(super) followers: &'a Followers,
    pub(super) access: &'a Access,
    pub(super) came_by: CameBy,
    pub(super) admitted: &'a Admitted,
    pub(super) head: &'a Parts,
    pub(super) body: &'a [u8],
}

impl Asked<'_> {
    /// The client that sends the request, for the server.
    fn by(&self) -> By {
        By::Administrator(self.admitted.caller.administrator())
    }

    /// The origin of a change of the blacklist.
    fn origin(&self) -> Origin {
        Origin::Administrator(self.admitted.caller.administrator())
    }
}

/// A resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Status,
    Connections,
    Connection,
    Decisions,
    Blacklist,
    BlacklistEntry,
    Hosts,
    Host,
    HostEnable,
    HostDisable,
    Tenants,
    Tenant,
    TenantEnable,
    TenantDisable,
    TenantLogin,
    TenantSecrets,
    Listeners,
    Certificates,
    Explain,
    Reload,
    History,
    Targets,
    Top,
    Metrics,
    Session,
    Token,
    Login,
    Page,
    File,
}

/// The right that requests to a resource need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// GET needs the right to read. Other methods need the right to change.
    Usual,
    /// GET may be open to loopback.
    Open,
    /// Every method needs only the right to read.
    Question,
    /// Every client may log in. Every session and every token may ask for its right, and every session may end itself.
    Session,
    /// Every client may send requests.
    Nothing,
    /// Only clients on the socket may send requests.
    Socket,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The path. `{name}` stands for at least one octet, percent-encoded. A slash in the name may be written as it is,
    /// except as the first octet.
    path: &'static str,
    resource: Resource,
    /// Its methods. HEAD is possible if GET is.
    methods: &'static [&'static str],
    needs: Needs,
}

const fn entry(path: &'static str, resource: Resource, methods: &'static [&'static str]) -> Entry {
    Entry { path, resource, methods, needs: Needs::Usual }
}

/// All resources. The first entry with a matching path is used, so entries with a suffix after `{name}` come first.
const RESOURCES: &[Entry] = &[
    entry("/v1/status", Resource::Status, &["GET"]).needing(Needs::Open),
    entry("/v1/connections", Resource::Connections, &["GET"]),
    entry("/v1/connections/{id}", Resource::Connection, &["GET", "DELETE"]),
    entry("/v1/decisions", Resource::Decisions, &["GET"]),
    entry("/v1/blacklist", Resource::Blacklist, &["GET", "POST", "DELETE"]),
    entry("/v1/blacklist/{address}", Resource::BlacklistEntry, &["GET", "DELETE"]),
    entry("/v1/hosts/{name}/enable", Resource::HostEnable, &["POST"]),
    entry("/v1/hosts/{name}/disable", Resource::HostDisable, &["POST"]),
    entry("/v1/hosts/{name}", Resource::Host, &["GET", "PUT", "DELETE"]),
    entry("/v1/hosts", Resource::Hosts, &["GET"]),
    entry("/v1/tenants/{id}/enable", Resource::TenantEnable, &["POST"]),
    entry("/v1/tenants/{id}/disable", Resource::TenantDisable, &["POST"]),
    entry("/v1/tenants/{id}/login", Resource::TenantLogin, &["POST"]),
    entry("/v1/tenants/{id}/secrets", Resource::TenantSecrets, &["POST"]),
    entry("/v1/tenants/{id}", Resource::Tenant, &["GET", "PUT", "DELETE"]),
    entry("/v1/tenants", Resource::Tenants, &["GET", "POST"]),
    entry("/v1/listeners", Resource::Listeners, &["GET"]),
    entry("/v1/explain", Resource::Explain, &["POST"]).needing(Needs::Question),
    entry("/v1/certificates", Resource::Certificates, &["GET"]).needing(Needs::Open),
    entry("/v1/reload", Resource::Reload, &["POST"]),
    entry("/v1/history", Resource::History, &["GET"]),
    entry("/v1/targets", Resource::Targets, &["GET"]).needing(Needs::Open),
    entry("/v1/top", Resource::Top, &["GET"]),
    entry("/metrics", Resource::Metrics, &["GET"]).needing(Needs::Open),
    entry("/v1/session", Resource::Session, &["GET", "POST", "DELETE"]).needing(Needs::Session),
    entry("/v1/token", Resource::Token, &["GET", "POST"]).needing(Needs::Socket),
    entry("/login", Resource::Login, &["GET"]).needing(Needs::Nothing),
    entry("/", Resource::Page, &["GET"]).needing(Needs::Nothing),
    entry("/dashboard/{name}", Resource::File, &["GET"]).needing(Needs::Nothing),
];

impl Entry {
    const fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    /// The right that a request with this method needs.
    fn right(&self, method: &Method) -> NeededRight {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match self.needs {
            Needs::Usual | Needs::Open if !reads => NeededRight::Change,
            Needs::Open => NeededRight::Open,
            Needs::Usual | Needs::Question => NeededRight::Read,
            Needs::Session if *method == Method::POST => NeededRight::None,
            Needs::Session => NeededRight::Read,
            Needs::Nothing => NeededRight::None,
            Needs::Socket => NeededRight::Socket,
        }
    }

    /// The text in the place of `{name}`, still percent-encoded. It is empty if the path has no such place. `None`: the
    /// path does not match.
    fn matched<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((before, rest)) = self.path.split_once('{') else {
            return (self.path == path).then_some("");
        };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let name = path.strip_prefix(before)?.strip_suffix(after)?;
        (!name.is_empty() && !name.starts_with('/')).then_some(name)
    }

    fn allows(&self, method: &Method) -> bool {
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        self.methods.contains(&method)
    }

    /// All methods, for `Allow`.
    fn possible(&self) -> Vec<&'static str> {
        let with_head = |method: &&'static str| match *method {
            "GET" => vec!["GET", "HEAD"],
            other => vec![other],
        };
        self.methods.iter().flat_map(with_head).collect()
    }

    /// Whether the resource itself reads the query. All other resources refuse a query:
    /// `DELETE /v1/blacklist?address=192.0.2.1` would otherwise clear the whole list.
    fn reads_query(&self, method: &Method) -> bool {
        match self.resource {
            Resource::Connections
            | Resource::Decisions
            | Resource::Blacklist
            | Resource::Hosts
            | Resource::Tenants
            | Resource::Listeners
            | Resource::Certificates
            | Resource::History
            | Resource::Targets
            | Resource::Top => matches!(*method, Method::GET | Method::HEAD),
            // The page ignores its query, because a link in a mail may add one.
            Resource::Token | Resource::Login | Resource::Page | Resource::File => true,
            Resource::Status
            | Resource::Connection
            | Resource::BlacklistEntry
            | Resource::Host
            | Resource::HostEnable
            | Resource::HostDisable
            | Resource::Tenant
            | Resource::TenantEnable
            | Resource::TenantDisable
            | Resource::TenantLogin
            | Resource::TenantSecrets
            | Resource::Explain
            | Resource::Reload
            | Resource::Metrics
            | Resource::Session => false,
        }
    }
}

/// The entry of the table for a path, and the text in the place of `{name}`.
fn found(path: &str) -> Option<(&'static Entry, &str)> {
    RESOURCES.iter().find_map(|entry| entry.matched(path).map(|name| (entry, name)))
}

/// The right that a request needs. That a path does not exist is told only to clients with the right to read.
pub(super) fn right(head: &Parts) -> NeededRight {
    found(head.uri.path()).map_or(NeededRight::Read, |(entry, _)| entry.right(&head.method))
}

/// Answers a request.
pub(super) async fn answer(asked: &Asked<'_>) -> Answer {
    let Some((entry, name)) = found(asked.head.uri.path()) else {
        return Answer::missing("there is no such resource");
    };
    if !entry.allows(&asked.head.method) {
        return Answer::not_allowed(&entry.possible());
    }
    if !entry.reads_query(&asked.head.method)
        && let Err(why) = Query::of(&asked.head.uri, &[])
    {
        return Answer::bad(why);
    }
    match entry.resource {
        Resource::Status => status::answer(asked),
        Resource::Connections => connections::list(asked),
        Resource::Connection => connections::connection(asked, name).await,
        Resource::Decisions => decisions::answer(asked).await,
        Resource::Blacklist => blacklist::list(asked),
        Resource::BlacklistEntry => blacklist::entry(asked, name),
        Resource::Hosts => hosts::list(asked),
        Resource::Host => hosts::host(asked, name).await,
        Resource::HostEnable => hosts::switch(asked, name, true).await,
        Resource::HostDisable => hosts::switch(asked, name, false).await,
        Resource::Tenants => tenants::all(asked).await,
        Resource::Tenant => tenants::tenant(asked, name).await,
        Resource::TenantEnable => tenants::switch(asked, name, true).await,
        Resource::TenantDisable => tenants::switch(asked, name, false).await,
        Resource::TenantLogin => tenants::login(asked, name).await,
        Resource::TenantSecrets => tenants::secrets(asked, name).await,
        Resource::Listeners => listeners::answer(asked),
        Resource::Certificates => certificates::answer(asked),
        Resource::Explain => explain::answer(asked).await,
        Resource::Reload => reload::answer(asked).await,
        Resource::History => history::answer(asked),
        Resource::Targets => targets::answer(asked),
        Resource::Top => top::answer(asked),
        Resource::Metrics => {
            Answer::whole(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(asked.shared))
        }
        Resource::Session => session::answer(asked),
        Resource::Token => token::answer(asked),
        Resource::Login => session::follow(asked),
        Resource::Page => dashboard::page(&asked.head.headers),
        Resource::File => dashboard::file(name, &asked.head.headers),
    }
}

/// The answer to a refused change: the error as text, and as diagnostics for programs.
fn wrong(status: StatusCode, ServerError { text, found }: &ServerError) -> Answer {
    Answer::json(status, &json!({ "error": text.trim_end(), "diagnostics": found.to_json() }))
}

fn put_field(json: &mut Value, name: &str, value: Value) {
    if let Some(object) = json.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<(Resource, &str)> {
        super::found(path).map(|(entry, name)| (entry.resource, name))
    }

    #[test]
    fn a_path_names_one_resource() {
        assert_eq!(found("/v1/status"), Some((Resource::Status, "")));
        assert_eq!(found("/v1/hosts/a.example/b/enable"), Some((Resource::HostEnable, "a.example/b")));
        assert_eq!(found("/v1/hosts/a.example/b"), Some((Resource::Host, "a.example/b")));
        assert_eq!(found("/v1/hosts/a.example/enabled"), Some((Resource::Host, "a.example/enabled")));
        assert_eq!(found("/v1/hosts"), Some((Resource::Hosts, "")));
        assert_eq!(found("/v1/blacklist/2001:db8::/64"), Some((Resource::BlacklistEntry, "2001:db8::/64")));
        for path in
            ["/v1", "/v1/", "/v1/status/", "/v1/connections/", "/v1/hosts//enable", "/v2/status", "*", ""]
        {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn every_path_stands_in_the_table_once() {
        let mut paths: Vec<_> = RESOURCES.iter().map(|entry| entry.path).collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count, "the second line of a path would never be found");
    }

    /// Contract section 8: `admin.token = "changes"` opens these four to loopback, and no others.
    #[test]
    fn four_resources_may_be_open_to_loopback() {
        let open: Vec<_> = RESOURCES.iter().filter(|entry| entry.needs == Needs::Open).collect();
        let paths: Vec<_> = open.iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["/v1/status", "/v1/certificates", "/v1/targets", "/metrics"]);
        for entry in open {
            let (found, _) = super::found(entry.path).unwrap();
            assert_eq!(found.right(&Method::GET), NeededRight::Open, "{}", entry.path);
            assert_eq!(found.right(&Method::POST), NeededRight::Change, "{}", entry.path);
        }
    }

    #[test]
    fn what_changes_something_needs_the_token_that_may() {
        let right = |method: Method, path: &str| {
            let (entry, _) = super::found(path).unwrap();
            entry.right(&method)
        };
        assert_eq!(right(Method::GET, "/v1/status"), NeededRight::Open);
        assert_eq!(right(Method::HEAD, "/v1/connections"), NeededRight::Read);
        for (method, path) in [
            (Method::DELETE, "/v1/connections/1"),
            (Method::POST, "/v1/blacklist"),
            (Method::POST, "/v1/hosts/a/enable"),
            (Method::POST, "/v1/reload"),
        ] {
            assert_eq!(right(method, path), NeededRight::Change, "{path}");
        }
        assert_eq!(right(Method::GET, "/v1/token"), NeededRight::Socket);
        assert_eq!(right(Method::POST, "/v1/session"), NeededRight::None);
        assert_eq!(right(Method::GET, "/v1/session"), NeededRight::Read);
        assert_eq!(right(Method::DELETE, "/v1/session"), NeededRight::Read);
    }
}

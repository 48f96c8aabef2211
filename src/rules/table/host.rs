//! One host of the table: its names, its rules, and the targets of its paths.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::{Entry, Table, aliases_of};
use crate::reason::Reason;
use crate::rules::path::RequestPath;
use crate::rules::paths::{NONE, PathStore};
use crate::rules::reading;
use crate::rules::segments::{Found, SegmentTree};
use crate::rules::tenants::Tenant;
use crate::rules::{
    Endpoint, ExchangeRule, Naming, OnwardTo, Ports, ServiceRule, Source, Treatment, WebSocketRule,
};
use crate::service::{Decided, Service};

/// A host of a table.
#[derive(Clone, Copy)]
pub struct Host<'t> {
    pub(super) table: &'t Table,
    pub(super) at: u32,
    pub(super) entry: &'t Entry,
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.name()).finish()
    }
}

/// The rule that a request's path matches, with its target.
#[derive(Debug, Clone, Copy)]
pub struct HttpMatch<'t> {
    /// Addresses, tried in order. Empty if the path names an unknown tenant, and in a list of rules whose target is the
    /// tenant's.
    pub endpoints: &'t Arc<[Endpoint]>,
    /// The ports.
    pub ports: Ports,
    /// Plain requests get a redirect to HTTPS.
    pub redirect_https: bool,
    /// The rule's path in compared form; `/` for a default.
    pub path: &'t str,
    /// The rule says `default = true`.
    pub default: bool,
    /// The preset that the rule is from.
    pub preset: Option<&'t str>,
    /// What the rule demands and changes; `None`: nothing.
    pub treatment: Option<&'t Arc<Treatment>>,
    /// The rule has no target of its own, and its path names a tenant. The request goes to the tenant's target, if
    /// there is one.
    pub by_tenant: bool,
    /// How its path names a tenant, if it does.
    pub naming: Option<Naming>,
    /// How many whole segments of the request's path the rule has matched, from the first. A slash at the end of the
    /// rule does not count. 0 on a host whose rules all match heads.
    pub segments: usize,
    /// The tenant that the path names, where the rule captures one.
    pub captured: Option<Captured<'t>>,
    /// The host.
    host: Host<'t>,
    /// The rule's index among all paths.
    at: u32,
}

/// The empty target of a request that has none.
static NOWHERE: LazyLock<Arc<[Endpoint]>> = LazyLock::new(|| Arc::new([]));

impl<'t> HttpMatch<'t> {
    /// Where the rule stands in the files.
    pub fn source(&self) -> Source {
        let Host { table, entry: Entry { own, preset, default, .. }, .. } = self.host;
        let at = own.source_of(self.at, *default).or_else(|| preset.source_of(self.at, false));
        at.map(|at| table.source(at)).unwrap_or_default()
    }

    /// The rule's settings for WebSockets, if they end here.
    pub fn websocket(&self) -> Option<&'t WebSocketRule> {
        self.treatment.and_then(|treatment| treatment.websocket.as_ref())
    }

    /// The rule's settings for the exchange of credentials, if the rule is for that.
    pub fn exchange(&self) -> Option<&'t ExchangeRule> {
        self.treatment.and_then(|treatment| treatment.exchange.as_ref())
    }

    /// The WebSocket target of clients that come through this rule, if the rule names one.
    pub fn onward(&self) -> Option<OnwardTo<'t>> {
        let onward = self.websocket()?.onward.as_deref()?;
        Some(OnwardTo { endpoints: self.endpoints, onward })
    }

    /// Whether it demands a login.
    pub fn demands_login(&self) -> bool {
        self.treatment.is_some_and(|treatment| treatment.login.is_some())
    }

    /// Checks whether the captured tenant may be served. Call it after the login, if there is one.
    ///
    /// # Errors
    /// [`Reason::UnknownTenant`] unless the rule has a target for unknown tenants, and [`Reason::Disabled`].
    pub fn require_tenant(&self) -> Result<(), Reason> {
        let has_otherwise = || self.treatment.is_some_and(|treatment| treatment.otherwise.is_some());
        match self.captured {
            Some(Captured { tenant: None, .. }) if !has_otherwise() => Err(Reason::UnknownTenant),
            Some(Captured { tenant: Some(tenant), .. }) if !tenant.is_alive() => Err(Reason::Disabled),
            _ => Ok(()),
        }
    }
}

/// The text in a path that names a tenant.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'t> {
    /// The index of the segment, from 0.
    pub segment: usize,
    /// How the segment names the tenant.
    pub naming: Naming,
    /// The tenant with that id or name. `None`: it does not exist, or does not belong to the host's tenant.
    pub tenant: Option<Tenant<'t>>,
}

impl<'t> Host<'t> {
    /// The name by which the host is called in logs.
    pub fn name(self) -> &'t str {
        self.entry.name.of(&self.table.names).unwrap_or_default()
    }

    /// Its other names, and where they stand in the files.
    pub fn aliases(self) -> impl Iterator<Item = (&'t str, Source)> {
        let Table { aliases, names, .. } = self.table;
        aliases_of(aliases, self.at).map(|alias| (alias.name.of(names).unwrap_or_default(), alias.source))
    }

    /// The target of services and paths that have none of their own, if the host has one.
    pub fn target(self) -> Option<&'t Arc<[Endpoint]>> {
        self.table.endpoints.get(usize::try_from(self.entry.endpoints).ok()?)
    }

    /// The tenant that it belongs to.
    pub fn tenant(self) -> Option<Tenant<'t>> {
        self.table.tenants.at(self.entry.tenant)
    }

    /// Whether it may be used. A disabled host, or a host of a disabled tenant, refuses with [`Reason::Disabled`].
    pub fn enabled(self) -> bool {
        self.entry.enabled
    }

    /// Whether the host itself is enabled, whatever its tenant's state is.
    pub fn own_enabled(self) -> bool {
        self.entry.own_enabled
    }

    /// Whether the rules enable it. If [`Self::own_enabled`] differs, an administrator has changed it.
    pub fn enabled_by_rules(self) -> bool {
        self.entry.enabled_by_rules
    }

    /// The host, unless it is disabled. Call it before asking for a service.
    ///
    /// # Errors
    /// [`Reason::Disabled`].
    pub fn require_enabled(self) -> Result<Self, Reason> {
        if self.enabled() { Ok(self) } else { Err(Reason::Disabled) }
    }

    /// Whether it was made over the API. All others are from the rules files.
    pub fn is_made(self) -> bool {
        usize::try_from(self.at).is_ok_and(|at| at >= self.table.base.hosts)
    }

    /// Its number in the order of the rules, from 0.
    pub fn number(self) -> usize {
        usize::try_from(self.at).unwrap_or(usize::MAX)
    }

    /// Where its name stands.
    pub fn source(self) -> Source {
        self.table.source(self.entry.source)
    }

    /// The rule of a service that is decided once, if the host serves it.
    pub fn rule(self, service: Service) -> Option<&'t ServiceRule> {
        let Entry { first_rule, ruled, .. } = *self.entry;
        if !ruled.contains(service) {
            return None;
        }
        self.table.rules.get(usize::try_from(first_rule + ruled.before(service)).ok()?)
    }

    /// The rules of all services that are decided once, in the order of [`Service::ALL`].
    pub fn rules(self) -> impl Iterator<Item = (Service, &'t ServiceRule)> {
        Service::decided_once().filter_map(move |service| Some((service, self.rule(service)?)))
    }

    /// Whether there is any rule for `service`.
    pub fn serves(self, service: Service) -> bool {
        match service.decided() {
            Decided::Once => self.entry.ruled.contains(service),
            Decided::EachRequest => self.serves_http(),
        }
    }

    /// The CA certificates that judge this host's clients. They replace `tls.client_trust`.
    pub fn client_trust(self) -> Option<&'t Arc<Path>> {
        self.table.client_trust.get(usize::try_from(self.entry.client_trust).ok()?)
    }

    /// Whether it has any HTTP path.
    pub(in crate::rules) fn serves_http(self) -> bool {
        let Entry { own, preset, default, .. } = self.entry;
        own.len() + preset.len() > 0 || *default
    }

    /// The rule for a path: the longest head wins, and the host's own rule beats a preset's. For `/` the default comes
    /// first.
    ///
    /// # Errors
    /// [`Reason::NoService`] if the host serves no HTTP, and [`Reason::NoPath`] if no rule matches.
    /// [`Reason::UnsafePath`] for an encoded slash, unless the host's only rule is the empty path.
    /// [`Reason::UnsafePath`] also for a path that a careless server reads as the path of another rule which demands a
    /// login.
    pub fn http(self, path: &RequestPath<'_>) -> Result<HttpMatch<'t>, Reason> {
        if !self.serves_http() {
            return Err(Reason::NoService);
        }
        if path.encoded_slash() && !self.entry.only_empty {
            return Err(Reason::UnsafePath);
        }
        if self.entry.tree != NONE {
            return self.in_segments(*path);
        }
        self.longest(*path).and_then(|at| self.http_match(at)).ok_or(Reason::NoPath)
    }

    /// The rule for a path, on a host where some rules match whole segments only.
    fn in_segments(self, path: RequestPath<'_>) -> Result<HttpMatch<'t>, Reason> {
        let Table { trees, .. } = self.table;
        let tree =
            usize::try_from(self.entry.tree).ok().and_then(|at| trees.get(at)).ok_or(Reason::NoPath)?;
        let best = self.best(tree, path.as_bytes());
        let mut other = Vec::new();
        if tree.demands_login && !self.entry.only_empty && reading::other(path.as_bytes(), &mut other) {
            let other = self.best(tree, &other).map(|found| found.rule);
            let rule = other.filter(|rule| best.is_none_or(|best| best.rule != *rule));
            let rule = rule.and_then(|rule| self.http_match(rule));
            if rule.is_some_and(|rule| rule.demands_login()) {
                return Err(Reason::UnsafePath);
            }
        }
        let found = best.ok_or(Reason::NoPath)?;
        let rule = self.http_match(found.rule).ok_or(Reason::NoPath)?;
        let rule = HttpMatch { segments: found.segments, ..rule };
        Ok(match found.captured {
            Some(captured) => self.with_tenant(rule, captured, path.as_bytes()),
            None => rule,
        })
    }

    /// The best rule of the tree. For `/` the default comes first.
    fn best(self, tree: &SegmentTree, path: &[u8]) -> Option<Found> {
        let default = (path == b"/").then(|| self.default()).flatten();
        default.map(Found::of_default).or_else(|| tree.best(path))
    }

    /// Adds the tenant that a path names, and the target: the rule's own, else the tenant's, else the host's. Only the
    /// host's tenant and those below it are captured.
    fn with_tenant(
        self,
        rule: HttpMatch<'t>,
        (segment, naming): (usize, Naming),
        path: &[u8],
    ) -> HttpMatch<'t> {
        let text = path.split(|byte| *byte == b'/').nth(segment + 1).unwrap_or_default();
        let tenants = &*self.table.tenants;
        let tenant = match naming {
            Naming::Id => str::from_utf8(text).ok().and_then(|id| tenants.by_id(id)),
            Naming::Name if !text.contains(&b'%') => {
                str::from_utf8(text).ok().and_then(|name| tenants.by_name(name))
            }
            Naming::Name => {
                let name = reading::decoded(text);
                str::from_utf8(&name).ok().and_then(|name| tenants.by_name(name))
            }
        };
        let tenant = tenant.filter(|tenant| self.captures(*tenant));
        let endpoints = match (tenant, rule.treatment.and_then(|treatment| treatment.otherwise.as_ref())) {
            (None, Some(otherwise)) => otherwise,
            (None, None) => &*NOWHERE,
            (Some(tenant), _) if rule.by_tenant => tenant.target().unwrap_or(rule.endpoints),
            (Some(_), _) => rule.endpoints,
        };
        HttpMatch { endpoints, captured: Some(Captured { segment, naming, tenant }), ..rule }
    }

    /// Whether some of its rules match whole segments only. Every rule that demands a login does.
    pub fn has_whole_segments(self) -> bool {
        self.entry.tree != NONE
    }

    /// The index of its default.
    fn default(self) -> Option<u32> {
        self.entry.default.then(|| PathStore::places(self.entry.own).end)
    }

    /// The index of the rule whose path is the longest head of this one. For `/` the default comes first.
    fn longest(self, path: RequestPath<'_>) -> Option<u32> {
        let Table { paths, .. } = self.table;
        if path.as_bytes() == b"/"
            && let Some(default) = self.default()
        {
            return Some(default);
        }
        let last_slash = memchr::memrchr(b'/', path.as_bytes()).unwrap_or(0);
        let own = paths.longest(self.entry.own, path, last_slash);
        let preset = paths.longest(self.entry.preset, path, last_slash);
        let best = match (own, preset) {
            (Some((_, own)), Some((_, inherited))) if inherited.text.len() > own.text.len() => preset,
            (own, preset) => own.or(preset),
        };
        best.map(|(at, _)| at)
    }

    pub(in crate::rules) fn table(self) -> &'t Table {
        self.table
    }

    /// Every HTTP rule in force, sorted: the default, the host's own, then those of presets.
    pub fn http_rules(self) -> impl Iterator<Item = HttpMatch<'t>> {
        let Table { paths, .. } = self.table;
        let Entry { own, preset, .. } = *self.entry;
        let inherited =
            move |at: &u32| paths.get(*at).is_some_and(|entry| !paths.contains(own, paths.text(entry)));
        let all = self.default().into_iter().chain(PathStore::places(own));
        all.chain(PathStore::places(preset).filter(inherited)).filter_map(move |at| self.http_match(at))
    }

    /// The rule of the path with the index `at`.
    fn http_match(self, at: u32) -> Option<HttpMatch<'t>> {
        let table = self.table;
        let entry = table.paths.get(at)?;
        let endpoints = if entry.endpoints == NONE { self.entry.endpoints } else { entry.endpoints };
        let endpoints = match endpoints {
            // The target is the captured tenant's.
            NONE if entry.captures => &*NOWHERE,
            at => table.endpoints.get(usize::try_from(at).ok()?)?,
        };
        let path = table.paths.text(entry);
        let preset = usize::try_from(entry.preset).ok().and_then(|at| table.presets.get(at));
        Some(HttpMatch {
            endpoints,
            ports: entry.ports,
            redirect_https: entry.redirect_https,
            path,
            default: entry.default,
            preset: preset.map(Box::as_ref),
            treatment: usize::try_from(entry.treatment).ok().and_then(|at| table.treatments.get(at)),
            by_tenant: entry.captures && entry.endpoints == NONE,
            naming: if entry.captures { path.split('/').find_map(Naming::of) } else { None },
            segments: 0,
            captured: None,
            host: self,
            at,
        })
    }
}

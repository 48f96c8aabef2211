//! The contents of a host's HTTP rule: which paths it matches, its target, and what it demands and changes.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::{Endpoint, Source, Target};
use crate::field_names::FieldNames;
use crate::rules::exchange::ExchangeRule;
use crate::rules::websocket::WebSocketRule;

/// The request paths that an HTTP rule matches (contract section 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// `default = true`: the empty path (`/`) only.
    Default,
    /// Head match with this text, as written; empty matches every path.
    Head(Box<str>),
    /// Whole segments, some of which name a tenant (contract section 9). At least one of them does.
    Captured(Box<[Segment]>),
}

impl PathPattern {
    /// How it names a tenant, if it captures one.
    pub fn naming(&self) -> Option<Naming> {
        match self {
            Self::Captured(segments) => segments.iter().find_map(Segment::naming),
            Self::Default | Self::Head(_) => None,
        }
    }
}

/// One segment of a path that captures a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text, as written.
    Literal(Box<str>),
    /// `{tenant}`: a tenant's id.
    TenantId,
    /// `{tenant.name}`: a tenant's friendly name.
    TenantName,
}

/// How a path names a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `{tenant}`: by its id.
    Id,
    /// `{tenant.name}`: by its friendly name.
    Name,
}

impl Naming {
    /// The placeholder in a rule.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Id => "{tenant}",
            Self::Name => "{tenant.name}",
        }
    }

    /// The naming that a placeholder stands for.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Id, Self::Name].into_iter().find(|naming| naming.text() == text)
    }
}

impl Segment {
    /// How the segment names a tenant, if it does.
    pub const fn naming(&self) -> Option<Naming> {
        match self {
            Self::Literal(_) => None,
            Self::TenantId => Some(Naming::Id),
            Self::TenantName => Some(Naming::Name),
        }
    }
}

/// What a rule demands of a request, and what it changes in the request and its answer (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Treatment {
    /// The login that it demands.
    pub login: Option<Login>,
    /// The login may come by plain HTTP.
    pub login_plain: bool,
    /// The target gets the client's `Authorization` as well.
    pub pass_login: bool,
    /// The target of a request whose path names an unknown tenant. `None`: such a request is refused.
    pub otherwise: Option<Arc<[Endpoint]>>,
    /// The matched part of the path is taken off. It is put back into `Location` and cookie paths of answers.
    pub strip: bool,
    /// The target's name is sent as Host. X-Forwarded-Host has the client's Host.
    pub host_of_target: bool,
    /// Fields that are set toward the target.
    pub set: Box<[SetField]>,
    /// Fields that are set toward the client.
    pub response: ResponseFields,
    /// A WebSocket with SIP in it ends here. For it no other setting of the rule is used.
    pub websocket: Option<WebSocketRule>,
    /// Clients exchange a credential here. Nothing is forwarded.
    pub exchange: Option<ExchangeRule>,
}

/// The login that a rule demands (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// The lines of the captured tenant decide.
    Tenant,
    /// An htpasswd file decides.
    File(Arc<Path>),
}

impl Treatment {
    /// Whether `Authorization` is removed, because it was for Portward.
    pub fn takes_login(&self) -> bool {
        self.login.is_some() && !self.pass_login
    }
}

/// A field that a rule sets toward the target. A client's own copy never passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetField {
    /// The field's name, as the rule spells it: a token (RFC 9110 section 5.6.2).
    pub name: Box<str>,
    /// The pieces of which its value consists.
    pub value: Box<[ValuePart]>,
}

/// A piece of a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePart {
    /// This text.
    Text(Box<str>),
    /// `{tenant}`: the captured tenant's id. If no tenant has the captured text, the text itself.
    Tenant,
    /// `{tenant.name}`: its friendly name, percent-encoded.
    TenantName,
    /// `{client}`: the client's IP address, as far as it is believed.
    Client,
}

/// A field that a rule sets toward the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseField {
    /// The field's name, as the rule spells it.
    pub name: Box<str>,
    /// Its value.
    pub value: Box<str>,
}

/// The fields that a rule sets toward the client, in the order of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseFields {
    fields: Box<[ResponseField]>,
    /// The names of the fields. They are computed once, not for each answer.
    names: Option<Arc<FieldNames>>,
}

impl ResponseFields {
    /// The names of the fields. The target's own fields with these names never pass. `None`: there are no fields.
    pub const fn names(&self) -> Option<&Arc<FieldNames>> {
        self.names.as_ref()
    }
}

impl Deref for ResponseFields {
    type Target = [ResponseField];

    fn deref(&self) -> &[ResponseField] {
        &self.fields
    }
}

impl From<Vec<ResponseField>> for ResponseFields {
    fn from(fields: Vec<ResponseField>) -> Self {
        let mut names = FieldNames::default();
        fields.iter().for_each(|field| names.insert(&field.name));
        Self { names: (!names.is_empty()).then(|| Arc::new(names)), fields: fields.into() }
    }
}

/// One HTTP path of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    /// The requests that it matches.
    pub path: PathPattern,
    /// The target.
    pub target: Target,
    /// `redirect = "https"`: plain requests get a 308 to the outside HTTPS port.
    pub redirect_https: bool,
    /// What it demands and changes; `None`: nothing.
    pub treatment: Option<Arc<Treatment>>,
    /// Where the rule stands.
    pub source: Source,
}

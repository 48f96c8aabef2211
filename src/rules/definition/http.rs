//! What an HTTP rule of a host says: which paths it is for, where they go, and what it demands and changes.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::{Endpoint, Source, Target};
use crate::field_names::FieldNames;
use crate::rules::exchange::ExchangeRule;
use crate::rules::websocket::WebSocketRule;

/// Which request paths an HTTP rule is for (contract section 2).
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
    /// By what it captures a tenant, if it does.
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

/// By what a path names a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `{tenant}`: by its id.
    Id,
    /// `{tenant.name}`: by its friendly name.
    Name,
}

impl Naming {
    /// How a rule says so.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Id => "{tenant}",
            Self::Name => "{tenant.name}",
        }
    }

    /// What `text` says.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Id, Self::Name].into_iter().find(|naming| naming.text() == text)
    }
}

impl Segment {
    /// By what it names a tenant, if it does.
    pub const fn naming(&self) -> Option<Naming> {
        match self {
            Self::Literal(_) => None,
            Self::TenantId => Some(Naming::Id),
            Self::TenantName => Some(Naming::Name),
        }
    }
}

/// What a rule demands of a request and changes of it and of its answer, beyond where it leads (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Treatment {
    /// The login that it demands.
    pub login: Option<Login>,
    /// The login may come by plain HTTP.
    pub login_plain: bool,
    /// The target gets the client's `Authorization`, too.
    pub pass_login: bool,
    /// Where a request goes whose path names a tenant that there is not; `None`: it is refused.
    pub otherwise: Option<Arc<[Endpoint]>>,
    /// The matched part of the path is taken off, and given back to `Location` and cookie paths of answers.
    pub strip: bool,
    /// The target's name is sent as Host; the client's stands in X-Forwarded-Host.
    pub host_of_target: bool,
    /// Fields that are set toward the target.
    pub set: Box<[SetField]>,
    /// Fields that are set toward the client.
    pub response: ResponseFields,
    /// A WebSocket with SIP in it ends here. Then nothing else of the rule is used for it.
    pub websocket: Option<WebSocketRule>,
    /// Clients exchange a credential here. Then nothing is forwarded.
    pub exchange: Option<ExchangeRule>,
}

/// The login that a rule demands (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Against the lines of the captured tenant.
    Tenant,
    /// Against an htpasswd file.
    File(Arc<Path>),
}

impl Treatment {
    /// Whether `Authorization` is taken off: it was for Portward.
    pub fn takes_login(&self) -> bool {
        self.login.is_some() && !self.pass_login
    }
}

/// A field that a rule sets toward the target. A client's own copy never passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetField {
    /// The field's name, as the rule spells it: a token (RFC 9110 section 5.6.2).
    pub name: Box<str>,
    /// What its value is put together from.
    pub value: Box<[ValuePart]>,
}

/// A piece of the value of a field that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePart {
    /// This text.
    Text(Box<str>),
    /// `{tenant}`: the captured tenant's id, or what the path has in its place where no tenant has it.
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
    /// Their names, made once and not for each answer.
    names: Option<Arc<FieldNames>>,
}

impl ResponseFields {
    /// Their names: the target's own fields with these names never pass. `None`: there are no fields.
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
    /// Which requests.
    pub path: PathPattern,
    /// Where they go.
    pub target: Target,
    /// `redirect = "https"`: plain requests get a 308 to the outside HTTPS port.
    pub redirect_https: bool,
    /// What it demands and changes; `None`: nothing.
    pub treatment: Option<Arc<Treatment>>,
    /// Where the rule stands.
    pub source: Source,
}

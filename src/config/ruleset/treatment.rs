//! The demands of an entry of `http`, and its changes to requests and answers (contract section 9): `strip`, `set`,
//! `host`, `otherwise`, `response`. `login` is in a file of its own.

use std::sync::Arc;

use super::super::report::Fault;
use super::super::walk::{Section, Value};
use super::context::Context;
use super::target::Endpoints;
use super::{fields, login};
use crate::rules::{PathPattern, Ports, Treatment};

/// The properties of the entry that the keys need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'e> {
    /// The entry's path. `None`: it is wrong, which was reported.
    pub(super) path: Option<&'e PathPattern>,
    /// The entry's ports. `None`: they are wrong.
    pub(super) ports: Option<Ports>,
    /// Whether the host belongs to a tenant.
    pub(super) has_tenant: bool,
}

impl Around<'_> {
    /// Whether the path captures a tenant. A wrong path counts as one that does, so that no further errors follow.
    fn captures(self) -> bool {
        self.path.is_none_or(|path| path.naming().is_some())
    }
}

/// Reads these keys. `None`: there is none of them.
pub(super) fn read(
    section: &mut Section<'_>,
    around: &Around<'_>,
    context: &mut Context,
) -> Option<Arc<Treatment>> {
    let strip = section.get("strip").is_some_and(|value| strip(&value, around));
    let host_of_target = section.read("host", false, |value| value.choice(&[("target", true)]));
    let otherwise = section.get("otherwise");
    let login_value = section.get("login");
    if let (Some(_), Some(login)) = (&otherwise, &login_value) {
        login.error_at_key(Fault::new("`login` and `otherwise` exclude each other").help(
            "after a login an unknown tenant gets the same answer as a wrong password; leave one of them out",
        ));
    }
    let otherwise = otherwise.and_then(|value| self::otherwise(&value, around, context));
    let login::Demanded { login, plain, pass } =
        login::demanded(section, login_value.as_ref(), around.captures());
    let has_tenant = around.captures() || around.has_tenant;
    let set = section.get("set").map_or_else(Vec::new, |value| fields::set(&value, has_tenant));
    let response = section.get("response").map_or_else(Vec::new, |value| fields::response(&value));
    let treatment = Treatment {
        login,
        login_plain: plain,
        pass_login: pass,
        otherwise,
        strip,
        host_of_target,
        set: set.into(),
        response: response.into(),
        ..Treatment::default()
    };
    (treatment != Treatment::default()).then(|| Arc::new(treatment))
}

/// Reads `strip`. The path must have something that can be removed.
fn strip(value: &Value<'_>, around: &Around<'_>) -> bool {
    let strips = value.boolean() == Some(true);
    let is_empty = match around.path {
        Some(PathPattern::Default) => true,
        Some(PathPattern::Head(path)) => path.is_empty() || &**path == "/",
        Some(PathPattern::Captured(_)) | None => false,
    };
    if strips && is_empty {
        value.error_at_key(
            Fault::new("`strip` cannot matter here: the path has nothing that could be taken off")
                .help("it takes the matched part off, as /app off /app/x"),
        );
    }
    strips && !is_empty
}

/// Reads `otherwise`: where a request goes whose path names no tenant.
fn otherwise(value: &Value<'_>, around: &Around<'_>, context: &mut Context) -> Option<Endpoints> {
    let endpoints = context.targets.endpoints(value)?;
    if !around.captures() {
        value.error_at_key(
            Fault::new("`otherwise` cannot matter here: the path names no tenant")
                .help("it is the target for unknown tenants; write {tenant} in the path"),
        );
        return None;
    }
    if let Some(ports) = around.ports {
        context.own.refuse_loop(value, &endpoints, ports);
    }
    Some(endpoints)
}

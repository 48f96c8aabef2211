//! Logins: the login that an entry of `http` demands (`login`, `login_plain`, `pass_login`), and the users that may log
//! in as a tenant (`login` of `[tenant.ID]`). The content of htpasswd files is read together with the certificates,
//! because those files change in the same way.

use std::path::Path;
use std::sync::Arc;

use super::super::report::Fault;
use super::super::scalar;
use super::super::tree::Node;
use super::super::walk::{Section, Value};
use crate::credentials::{Logins, WrongLine};
use crate::rules::{Login, Users};

/// The login that an entry demands.
#[derive(Debug, Default)]
pub(super) struct Demanded {
    pub(super) login: Option<Login>,
    pub(super) plain: bool,
    pub(super) pass: bool,
}

/// Reads the login that an entry demands. `captures`: the entry's path names a tenant.
pub(super) fn demanded(section: &mut Section<'_>, value: Option<&Value<'_>>, captures: bool) -> Demanded {
    let login = value.and_then(|value| login(value, captures));
    let mut beside = |key| {
        let Some(beside) = section.get(key) else { return false };
        if value.is_none() {
            let fault = Fault::new(format!("`{key}` cannot matter without `login`"));
            beside.error_at_key(fault.help("it says something of the login that an entry demands"));
        }
        beside.boolean() == Some(true) && value.is_some()
    };
    Demanded { plain: beside("login_plain"), pass: beside("pass_login"), login }
}

/// Reads `login`: `"tenant"`, or an htpasswd file.
fn login(value: &Value<'_>, captures: bool) -> Option<Login> {
    if let Node::String(text) = value.node
        && *text == "tenant"
    {
        if captures {
            return Some(Login::Tenant);
        }
        value.error(
            Fault::new("the path names no tenant who could log in")
                .help("write {tenant} in the path, or the name of an htpasswd file here"),
        );
        return None;
    }
    file(value, "\"tenant\" or an htpasswd file").map(Login::File)
}

fn file(value: &Value<'_>, wanted: &str) -> Option<Arc<Path>> {
    let text = value.text(wanted)?;
    if let Ok(line) = Logins::read([text.as_bytes()])
        && !line.is_empty()
    {
        value.error(
            Fault::new("this is a line of htpasswd, and a file is expected")
                .help("lines stand in the list of a tenant: login = [\"USER:HASH\"]"),
        );
        return None;
    }
    value.parsed(wanted, |text| scalar::path(value.report.file, text)).map(Into::into)
}

/// Reads `login` of a tenant: lines of an htpasswd file, or the name of such a file.
pub(super) fn users(value: &Value<'_>) -> Option<Users> {
    const WANTED: &str = "a list of lines as `htpasswd -nB USER` writes them, or an htpasswd file";
    if let Node::String(_) = value.node {
        return file(value, WANTED).map(Users::File);
    }
    let elements = value.list(WANTED);
    let lines: Vec<(&Value<'_>, &str)> =
        elements.iter().filter_map(|element| Some((element, element.text(WANTED)?))).collect();
    match Logins::read(lines.iter().map(|(_, line)| line.as_bytes())) {
        Ok(logins) => Some(Users::Lines(Arc::new(logins))),
        Err(wrong) => {
            for wrong in wrong {
                let Some((element, line)) = lines.get(wrong.line) else { continue };
                let WrongLine { offset, message, help } = wrong.wrong;
                element.error(Fault::new(message).at(offset..line.len()).help(help));
            }
            None
        }
    }
}

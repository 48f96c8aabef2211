//! Messages as the log shows them.

use crate::conn::certificate::Worth;
use crate::inspect::h323::{Alias, Ask};
use crate::log::Subject;

/// The host that is asked for, the verb and the first alias, for the log.
fn shown(asked: &Ask) -> (&str, &str, &str) {
    match asked {
        Ask::Registration(registration) => (
            registration.identifier.as_deref().unwrap_or_default(),
            registration.verb.name(),
            first_name(&registration.aliases),
        ),
        Ask::Setup(setup) => {
            (setup.domain().ok().flatten().unwrap_or_default(), "SETUP", first_name(&setup.destinations))
        }
        Ask::Ras(speaks) => ("", "RAS", first_name(&speaks.aliases)),
        Ask::KeepAlive | Ask::Other(_) => ("", "", ""),
    }
}

pub(super) fn subject<'a>(asked: &'a Ask, cert: &'a Worth) -> Subject<'a> {
    let (who, verb, name) = shown(asked);
    cert.subject(who.as_bytes(), verb.as_bytes(), name.as_bytes())
}

fn first_name(aliases: &[Alias]) -> &str {
    aliases.iter().map(Alias::text).find(|text| !text.is_empty()).unwrap_or_default()
}

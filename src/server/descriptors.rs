//! File descriptors: raises their limit, and warns if they are too few.

use crate::log::Level;
use crate::state::Shared;

/// Descriptors that are not for connections.
const SPARE: u64 = 256;

/// Warns if there are too few descriptors. A connection needs two. Files, sockets and kept connections need more. If
/// there are too few, the guard reserves `limits.reserved` out of the number that is possible.
pub(super) fn check(shared: &Shared, descriptors: Option<u64>) {
    let connections = shared.snapshot.load().config.guard.connections.max_connections;
    let wanted = u64::from(connections) * 2 + SPARE;
    if let Some(there) = descriptors {
        let possible = (there - SPARE.min(there / 2)) / 2;
        shared.guard.set_possible(u32::try_from(possible).unwrap_or(u32::MAX));
    }
    if let Some(there) = descriptors.filter(|there| *there < wanted) {
        let text = format!(
            "limits.max_connections is {connections}, which takes {wanted} file descriptors, but there are {there}: \
             connections will have to wait; raise LimitNOFILE of the unit, or lower max_connections"
        );
        shared.note(Level::Warning, &text);
    }
}

/// Raises the soft limit of descriptors to the hard limit, and returns it. `None`: there is no limit.
pub(super) fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current
}

//! The words for refusals that no rule can prevent.

use super::super::Why;
use crate::reason::Reason;

/// The advice for a refusal, or why nothing should be done.
pub(super) fn words(reason: Reason, why: &Why) -> String {
    let words = match reason {
        Reason::UnsafePath => {
            "It should not be let in: servers read such a path in several ways, and one of them may lead past the rules. Let the \
             client ask for the plain path. An encoded slash passes on a host whose only rule is the empty path."
        }
        Reason::Method => {
            "It should not be let in as it is: this request may not come first on a connection. If a telephone begins with another SIP \
             method, add that to `sip.methods` in portward.toml."
        }
        Reason::Malformed if matches!(why, Why::NoWebSocket) => {
            "Change nothing: this path is for WebSockets with SIP, and the request opened none. Let the client ask for a wss: URL."
        }
        Reason::Malformed => {
            "It should not be let in: servers could read it in several ways, or it is not the protocol of this port. Correct \
             or update the client: there is no lenient mode."
        }
        Reason::TooLarge => {
            "It should not be let in: it is longer than anything that a client of this service has to send before the decision. \
             For HTTP the usual cause are cookies: delete those of the site in the browser."
        }
        Reason::NotTls => {
            "It should not be let in: the client came without TLS to a port for TLS. Give the client the other port, or turn TLS on \
             in it."
        }
        Reason::Timeout => {
            "A rule cannot help: the request was not complete in time. If the client's line is slow, raise \
             `limits.inspect_timeout` in portward.toml; if it sends nothing more, it speaks another protocol."
        }
        Reason::OtherTarget => {
            "It should not be let in on this connection: it leads to another rule than the one that decided the connection. Let \
             the client open a connection of its own for the other host, or make both names one host with `aliases`."
        }
        Reason::OtherName => {
            "It should not be let in: it speaks for another name than the certificate or the credential proves. Register the name \
             that is proven, or give the client a certificate with this one."
        }
        Reason::FailedLogin if matches!(why, Why::NoLogin) => {
            "The rule demands the login of a tenant that does not exist. Add the tenant with its `login`, or let the client ask for \
             the path of an existing tenant."
        }
        Reason::FailedLogin if matches!(why, Why::NoSecret) => {
            "Give the tenant `secrets`; until then every credential of the tenant is refused."
        }
        Reason::FailedLogin => {
            "A rule cannot help: the user or the password was wrong. Set the password of the client anew, at the PBX, or with \
             `portward tenant password` where Portward itself asks for it."
        }
        Reason::Sanity => {
            "It should not be let in: the request lacks a required header field, or contradicts itself. Correct the client. By TCP and TLS this \
             is checked only with `sip.sanity = true`."
        }
        Reason::Scanner => {
            "It should not be let in: its User-Agent is one of `sip.scanners` in portward.toml. If a device of yours has that name, \
             take the name off that list."
        }
        Reason::Silent => {
            "There is no request to let in: the client connected and sent nothing. Monitors do that, and it does not count."
        }
        Reason::Aborted => {
            "There is no request to let in: the client closed the connection before it sent one. It does not count."
        }
        Reason::TlsFailed => {
            "A rule cannot help: the TLS handshake was not completed. Usually the client does not trust Portward's \
             certificate: `portward cert list` shows which names it has, and the client needs the CA that signed it."
        }
        Reason::Expired => {
            "A rule cannot help: the credential was genuine, but has expired. Let the client fetch a new one. `portward token` makes \
             one; its lifetime cannot be longer than `sip.max_lifetime`."
        }
        Reason::Rate => {
            "The client tries again by itself: it sent more SIP requests a second than it may. If that is its normal load, raise \
             `limits.sip_requests` or `limits.sip_requests_per_user` in portward.toml, or put its address into `blacklist.allow`."
        }
        Reason::Limit => {
            "A rule cannot help: one of the limits under [limits] in portward.toml was reached. `portward status` shows how many \
             connections there are; raise the limit if these connections are wanted, or put the address into `blacklist.allow`, to \
             which the limits for each address do not apply."
        }
        Reason::Shutdown => "Change nothing: Portward was stopping. The client tries again.",
        // These reasons have remedies of their own.
        Reason::UnknownHost
        | Reason::NoService
        | Reason::NoPath
        | Reason::NoName
        | Reason::UnknownTenant
        | Reason::Certificate
        | Reason::Disabled
        | Reason::Origin
        | Reason::Blacklisted
        | Reason::Blocked
        | Reason::TargetDown
        | Reason::TargetTls => "",
    };
    words.to_owned()
}

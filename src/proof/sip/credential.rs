//! SIP: the users for whom a client may speak after it has proven itself with a credential (contract section 9).
//!
//! From, the To of a REGISTER, P-Asserted-Identity, P-Preferred-Identity and Remote-Party-ID must name the host and the
//! user of the credential. A telephone that was called under another address of the host keeps that address in the
//! dialog. It may, because the PBX gave it the address ([`Dialogs`]).

use super::address::is_all;
use super::{Dialogs, identities, is_anonymous, is_withheld, telephone};
use crate::inspect::sip::{FieldKind, Message, Scheme, uri};

/// The addresses under which a client may speak.
#[derive(Debug, Default)]
pub struct Speaker {
    dialogs: Dialogs,
}

/// The limits of what a client may claim.
#[derive(Debug, Clone, Copy)]
pub struct ClaimLimits<'m, H> {
    /// The user; `None`: every user of the host.
    pub user: Option<&'m [u8]>,
    /// Whether a name belongs to the host.
    pub is_here: H,
    /// The request belongs to a dialog that was seen on this connection.
    pub in_dialog: bool,
}

impl Speaker {
    /// Takes note of a request of the PBX. The client answers it under the address in To.
    pub fn heard(&mut self, head: &[u8], request: &Message) {
        if matches!(request.method(head), Some(b"INVITE" | b"SUBSCRIBE" | b"REFER")) {
            self.dialogs.note(head, request);
        }
    }

    /// The first URI of a request that names another user. `None`: there is none.
    pub fn other<'h>(
        &self,
        head: &'h [u8],
        request: &Message,
        may: ClaimLimits<'_, impl Fn(&[u8]) -> bool>,
    ) -> Option<&'h [u8]> {
        let registers = request.method(head) == Some(b"REGISTER");
        let dialog = self.dialogs.of_client(head, request);
        let fine = |said: &[u8]| may.allows(said) || (!registers && dialog.has(said));
        let from = request.from.uri.of_input(head);
        let withheld = !registers && is_anonymous(head, request);
        // A caller who withholds the number names the user in another field, for the PBX alone (RFC 3323, RFC 3325 §9).
        let is_named = || speaks(head, request).any(|said| !is_withheld(said) && fine(said));
        if !(fine(from) || withheld && (may.in_dialog || is_named())) {
            return Some(from);
        }
        let to = request.to.uri.of_input(head);
        if registers && !may.allows(to) {
            return Some(to);
        }
        speaks(head, request).find(|said| !is_withheld(said) && !fine(said))
    }
}

/// The URIs in fields other than From that name the sender.
fn speaks<'h>(head: &'h [u8], request: &Message) -> impl Iterator<Item = &'h [u8]> {
    request.fields_of(FieldKind::Identity).flat_map(move |field| identities(head, field))
}

impl<H: Fn(&[u8]) -> bool> ClaimLimits<'_, H> {
    fn allows(&self, said: &[u8]) -> bool {
        let Some(cut) = uri(said) else { return false };
        if cut.scheme == Scheme::Other {
            return telephone(said).is_some_and(|number| self.user == Some(number));
        }
        let is_user = match self.user {
            Some(user) => is_all(said, cut.user) && is_user(cut.user, user),
            None => cut.user.is_empty() || is_all(said, cut.user),
        };
        is_user && (self.is_here)(cut.host)
    }
}

/// Whether a user part is this user's. A user part with parameters has more than one reading, so it never is. Escapes
/// are decoded before the comparison (RFC 3261 §19.1.4).
fn is_user(said: &[u8], user: &[u8]) -> bool {
    let mut rest = said;
    let mut right = user.iter();
    while let Some((first, behind)) = rest.split_first() {
        let (octet, behind) = match first {
            b';' => return false,
            b'%' => {
                match behind.split_at_checked(2).and_then(|(digits, behind)| Some((hex(digits)?, behind))) {
                    Some(meant) => meant,
                    None => return false,
                }
            }
            octet => (*octet, behind),
        };
        if right.next() != Some(&octet) {
            return false;
        }
        rest = behind;
    }
    right.next().is_none() && !user.is_empty()
}

/// The octet that two hexadecimal digits stand for.
fn hex(digits: &[u8]) -> Option<u8> {
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let text = str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Inspect;
    use crate::inspect::sip::{Ask, Inspector};

    /// The URI of another user for which a request speaks.
    fn other(method: &str, from: &str, more: &str, user: Option<&str>) -> Option<String> {
        let head = format!(
            "{method} sip:b@x SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nFrom: {from};tag=a\r\nTo: {}\r\nCall-ID: 1\r\n\
             CSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n",
            if method == "REGISTER" && !more.contains("To") { from } else { "<sip:b@y>" }
        );
        let Inspect::Found { ask: Ask::Message(message), .. } =
            Inspector::of_client().inspect(head.as_bytes())
        else {
            panic!("{head}")
        };
        let may = ClaimLimits {
            user: user.map(str::as_bytes),
            is_here: |host: &[u8]| host.eq_ignore_ascii_case(b"pbx"),
            in_dialog: false,
        };
        let other = Speaker::default().other(head.as_bytes(), &message, may)?;
        Some(String::from_utf8(other.to_vec()).unwrap())
    }

    #[test]
    fn w5_from_names_the_user_of_the_credential_and_no_other() {
        for (from, user, fine) in [
            ("<sip:alice@pbx>", "alice", true),
            ("<sips:alice@PBX:5061;transport=tls>", "alice", true),
            ("<sip:al%69ce@pbx>", "alice", true),
            ("<sip:al%3Aice@pbx>", "al:ice", true),
            ("<sip:al%40ice@pbx>", "al@ice", true),
            ("<sip:al:ice@pbx>", "al:ice", false),
            ("<sip:al:ice@pbx>", "al", false),
            ("<sip:alice;x@pbx>", "alice;x", false),
            ("<sip:alice;x@pbx>", "alice", false),
            ("<sip:al%69ce@pbx>", "al%69ce", false),
            ("<sip:al%6@pbx>", "al%6", false),
            ("<sip:Alice@pbx>", "alice", false),
            ("<sip:alic@pbx>", "alice", false),
            ("<sip:alicee@pbx>", "alice", false),
            ("<sip:pbx>", "alice", false),
            ("<sip:alice@other>", "alice", false),
            ("<tel:+49>", "+49", true),
            ("<tel:+48>", "+49", false),
        ] {
            for method in ["INVITE", "MESSAGE", "REGISTER"] {
                assert_eq!(other(method, from, "", Some(user)).is_none(), fine, "{method} {from} {user}");
            }
        }
        for (from, fine) in [("<sip:bob@pbx>", true), ("<sip:pbx>", true), ("<sip:bob@other>", false)] {
            assert_eq!(other("INVITE", from, "", None).is_none(), fine, "{from}");
        }
    }

    #[test]
    fn w5_every_identity_names_the_user_and_a_withheld_caller_is_named_by_one() {
        let from = "<sip:alice@pbx>";
        for name in ["P-Asserted-Identity", "p-preferred-identity", "Remote-Party-ID"] {
            let with = |value: &str| other("INVITE", from, &format!("{name}: {value}\r\n"), Some("alice"));
            assert_eq!(with("<sip:alice@pbx>"), None);
            assert_eq!(with("\"A\" <sip:bob@pbx>").as_deref(), Some("sip:bob@pbx"));
            assert_eq!(with("<sip:alice@pbx>, <tel:+49>").as_deref(), Some("tel:+49"));
            assert_eq!(with("<sip:anonymous@anonymous.invalid>"), None);
        }
        let withheld = "<sip:anonymous@anonymous.invalid>";
        assert_eq!(other("INVITE", withheld, "", Some("alice")).as_deref(), Some(&withheld[1..32]));
        assert_eq!(
            other("INVITE", withheld, "P-Preferred-Identity: <sip:alice@pbx>\r\n", Some("alice")),
            None
        );
        assert!(
            other("INVITE", withheld, "P-Preferred-Identity: <sip:bob@pbx>\r\n", Some("alice")).is_some()
        );
        assert!(
            other("REGISTER", withheld, "P-Preferred-Identity: <sip:alice@pbx>\r\n", Some("alice")).is_some()
        );
    }
}

//! The envelope of an LDAPMessage (RFC 4511 §4.1.1): its length, its messageID and its operation. The content of the
//! operation is not examined, and need not have come.

use super::ber::{Head, Malformed, head, natural};

/// The longest bind and the longest StartTLS. A Kerberos ticket with many groups would fit. Active Directory also
/// accepts 16 KiB from a client that has not logged in.
pub const LDAP_LIMIT: usize = 16 * 1024;

/// The most octets of the envelope: three tags with lengths, and a number of four octets.
pub(super) const OUTSIDE: usize = 3 * 6 + 4;

/// The operations of a client (RFC 4511 §4.2 to §4.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Log in.
    Bind,
    /// Close the connection.
    Unbind,
    /// Search.
    Search,
    /// Change an entry.
    Modify,
    /// Add an entry.
    Add,
    /// Delete an entry.
    Delete,
    /// Rename an entry.
    ModifyDn,
    /// Compare a value.
    Compare,
    /// Give up another operation.
    Abandon,
    /// An operation with an object identifier: StartTLS, Who am I …
    Extended,
}

impl Operation {
    /// The operation with this tag.
    const fn of_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            0x60 => Self::Bind,
            0x42 => Self::Unbind,
            0x63 => Self::Search,
            0x66 => Self::Modify,
            0x68 => Self::Add,
            0x4a => Self::Delete,
            0x6c => Self::ModifyDn,
            0x6e => Self::Compare,
            0x50 => Self::Abandon,
            0x77 => Self::Extended,
            _ => return None,
        })
    }

    /// The operation's name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bind => "BIND",
            Self::Unbind => "UNBIND",
            Self::Search => "SEARCH",
            Self::Modify => "MODIFY",
            Self::Add => "ADD",
            Self::Delete => "DELETE",
            Self::ModifyDn => "MODDN",
            Self::Compare => "COMPARE",
            Self::Abandon => "ABANDON",
            Self::Extended => "EXTENDED",
        }
    }
}

/// The envelope of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outside {
    /// The messageID. It is 0 in an unsolicited notification of a server.
    pub(super) id: u32,
    /// The tag of the operation.
    pub(super) tag: u8,
    /// The octets before the operation's content.
    pub(super) before: usize,
    /// The octets of the operation's content.
    pub(super) content: u32,
    /// The octets of the whole message.
    pub(super) size: u64,
}

impl Outside {
    /// Reads the envelope at the beginning of a message. `None`: more octets are needed.
    ///
    /// # Errors
    /// The octets cannot become an LDAPMessage, whatever follows.
    pub(super) fn read(input: &[u8]) -> Result<Option<Self>, Malformed> {
        if input.first().is_some_and(|tag| *tag != 0x30) {
            return Err(Malformed);
        }
        let Some(message) = head(input)? else { return Ok(None) };
        let inside = input.get(message.size..).unwrap_or_default();
        if inside.first().is_some_and(|tag| *tag != 0x02) {
            return Err(Malformed);
        }
        let Some(number) = head(inside)? else { return fits(&message, inside.len()) };
        if number.content > 4 {
            return Err(Malformed);
        }
        let end = number.size + usize::try_from(number.content).map_err(|_| Malformed)?;
        let Some((digits, rest)) = inside.split_at_checked(end) else { return fits(&message, end) };
        let id = natural(digits.get(number.size..).unwrap_or_default())?;
        let Some(operation) = head(rest)? else { return fits(&message, end + rest.len()) };
        let used = end + operation.size;
        let needed = u64::try_from(used).map_err(|_| Malformed)? + u64::from(operation.content);
        if needed > u64::from(message.content) {
            return Err(Malformed);
        }
        Ok(Some(Self {
            id,
            tag: operation.tag,
            before: message.size + used,
            content: operation.content,
            size: u64::try_from(message.size).map_err(|_| Malformed)? + u64::from(message.content),
        }))
    }

    /// The same for a request, with its operation.
    ///
    /// # Errors
    /// As [`read`](Self::read). Other errors are a message that is no request, the messageID 0 (RFC 4511 §4.1.1.1), and
    /// an Unbind or an Abandon with too much content (§4.3, §4.11).
    pub(super) fn of_request(input: &[u8]) -> Result<Option<(Self, Operation)>, Malformed> {
        let Some(outside) = Self::read(input)? else { return Ok(None) };
        let operation = Operation::of_tag(outside.tag).ok_or(Malformed)?;
        // Unbind and Abandon pass before any login, so they must not hold anything else.
        let fits = match operation {
            Operation::Unbind => outside.content == 0 && outside.size <= LDAP_LIMIT as u64,
            Operation::Abandon => matches!(outside.content, 1..=4) && outside.size <= LDAP_LIMIT as u64,
            _ => true,
        };
        if outside.id > 0 && fits { Ok(Some((outside, operation))) } else { Err(Malformed) }
    }
}

/// Asks for more octets only if the message is longer than `octets`.
fn fits(message: &Head, octets: usize) -> Result<Option<Outside>, Malformed> {
    let more = usize::try_from(message.content).is_ok_and(|content| content > octets);
    if more { Ok(None) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(input: &[u8]) -> Result<Option<(u32, u8, u64)>, Malformed> {
        Outside::read(input).map(|found| found.map(|found| (found.id, found.tag, found.size)))
    }

    #[test]
    fn number_operation_and_size() {
        // UnbindRequest, RFC 4511 §4.3.
        assert_eq!(outside(&[0x30, 5, 2, 1, 3, 0x42, 0]), Ok(Some((3, 0x42, 7))));
        // A length as Windows writes it.
        let windows = [0x30, 0x84, 0, 0, 0, 9, 2, 1, 3, 0x63, 0x84, 0, 0, 0, 0];
        assert_eq!(outside(&windows), Ok(Some((3, 0x63, 15))));
        // A length of 4 GiB is only a number here.
        let huge = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, 0x68, 0x84, 0xff, 0xff, 0xff, 0];
        assert_eq!(outside(&huge), Ok(Some((1, 0x68, 6 + 0xffff_ffff))));
    }

    #[test]
    fn what_cannot_become_a_message_is_refused_at_once() {
        for bad in [
            &b"G"[..],
            &[0x16, 0x03],
            &[0x30, 0x80],
            &[0x30, 0x85],
            &[0x30, 5, 4],
            &[0x30, 5, 2, 5],
            &[0x30, 5, 2, 0, 0x42],
            &[0x30, 5, 2, 1, 0x80],
            &[0x30, 5, 2, 1, 1, 0x1f],
            // The messageID does not fit in the message, the operation does not fit, nothing fits.
            &[0x30, 2, 2, 2],
            &[0x30, 3, 2, 1, 1],
            &[0x30, 5, 2, 1, 1, 0x60, 1],
            &[0x30, 4, 2, 1, 1, 0x60],
            &[0x30, 0],
        ] {
            assert_eq!(outside(bad), Err(Malformed), "{bad:02x?}");
        }
        // A response and the messageID 0 are no requests.
        assert_eq!(Outside::of_request(&[0x30, 5, 2, 1, 1, 0x61, 0]), Err(Malformed));
        assert_eq!(Outside::of_request(&[0x30, 5, 2, 1, 0, 0x42, 0]), Err(Malformed));
    }
}

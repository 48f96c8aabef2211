//! The user part of an ephemeral credential: a user's name alone, or `TENANT/user@domain` (contract section 9).

use crate::rules::is_tenant_id;

/// The user of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A user of the host that the request asks for.
    User(&'a [u8]),
    /// A user of one domain. The tenant vouches for it.
    Of {
        /// The id of the tenant.
        tenant: &'a str,
        /// The user.
        user: &'a [u8],
        /// The domain, which may have a location behind a slash.
        domain: &'a [u8],
    },
    /// It looks like the second form, but is invalid.
    Nobody,
}

impl<'a> Said<'a> {
    /// Reads the user of a credential. A text with an `@` after a slash has the second form.
    pub(super) fn read(user: &'a [u8]) -> Self {
        let split = |text: &'a [u8], by: u8| {
            let at = memchr::memchr(by, text)?;
            Some((text.get(..at)?, text.get(at + 1..)?))
        };
        let Some((tenant, rest)) = split(user, b'/') else { return Self::User(user) };
        let Some((name, domain)) = split(rest, b'@') else { return Self::User(user) };
        let tenant = str::from_utf8(tenant).ok().filter(|id| is_tenant_id(id));
        match tenant {
            Some(tenant) if !name.is_empty() && !name.contains(&b'/') && !domain.is_empty() => {
                Self::Of { tenant, user: name, domain }
            }
            _ => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w5_a_user_has_one_of_two_forms() {
        let of = |tenant, user: &'static str, domain: &'static str| Said::Of {
            tenant,
            user: user.as_bytes(),
            domain: domain.as_bytes(),
        };
        for (text, said) in [
            ("alice", Said::User(b"alice")),
            ("alice@pbx", Said::User(b"alice@pbx")),
            ("al/ice", Said::User(b"al/ice")),
            ("al@x/ice", Said::User(b"al@x/ice")),
            ("XYZ/alice@pbx", of("XYZ", "alice", "pbx")),
            ("XYZ/al:ice@pbx", of("XYZ", "al:ice", "pbx")),
            ("XYZ/alice@pbx/branch", of("XYZ", "alice", "pbx/branch")),
            ("XYZ/alice@pbx@other", of("XYZ", "alice", "pbx@other")),
            ("/alice@pbx", Said::Nobody),
            ("X Z/alice@pbx", Said::Nobody),
            ("../alice@pbx", Said::Nobody),
            ("XYZ/@pbx", Said::Nobody),
            ("XYZ/alice@", Said::Nobody),
            ("XYZ/al/ice@pbx", Said::Nobody),
        ] {
            assert_eq!(Said::read(text.as_bytes()), said, "{text}");
        }
    }
}

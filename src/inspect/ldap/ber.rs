//! BER elements (X.690) within the limits of RFC 4511 §5.1: low tag numbers, definite lengths.
//!
//! Lengths need not be minimal: Windows writes all of them in four octets (0x84). Nothing here recurses or allocates.
//! The code that uses it fixes the depth of nesting.

/// The most octets of a length, after the octet that counts them. With more octets the length is greater than 4 GiB or
/// has leading zeros.
const LENGTH_OCTETS: usize = 4;

/// The error: it is no element of LDAP, or violates RFC 4511 §5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The tag and the length of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Class, form and number in one octet.
    pub(super) tag: u8,
    /// The number of octets of tag and length: 2 to 6.
    pub(super) size: usize,
    /// The number of octets of the content.
    pub(super) content: u32,
}

#[cfg(test)]
thread_local! {
    /// How many heads were read. Tests use it to measure the cost of an input.
    pub(super) static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The tag and length of the element at the beginning of `input`. `None`: more octets are needed.
///
/// # Errors
/// The tag has more than one octet, the length is indefinite, or it has more than four octets.
pub(super) fn head(input: &[u8]) -> Result<Option<Head>, Malformed> {
    #[cfg(test)]
    READ.set(READ.get() + 1);
    let Some((&tag, rest)) = input.split_first() else { return Ok(None) };
    // 0x1f: the tag number follows in further octets (X.690 §8.1.2.4). LDAP has no such tag.
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    let Some((&first, rest)) = rest.split_first() else { return Ok(None) };
    if first < 0x80 {
        return Ok(Some(Head { tag, size: 2, content: u32::from(first) }));
    }
    let count = usize::from(first & 0x7f);
    // 0x80 is the indefinite form.
    if count == 0 || count > LENGTH_OCTETS {
        return Err(Malformed);
    }
    let Some(octets) = rest.get(..count) else { return Ok(None) };
    let content = octets.iter().fold(0, |length, octet| length << 8 | u32::from(*octet));
    Ok(Some(Head { tag, size: 2 + count, content }))
}

/// Takes the elements one after the other off the complete content of another element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element: its tag and its content.
    ///
    /// # Errors
    /// There is none, or it is longer than its container.
    pub(super) fn take(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let Head { tag, size, content } = head(self.0)?.ok_or(Malformed)?;
        let end = usize::try_from(content).ok().and_then(|content| size.checked_add(content));
        let (element, rest) = end.and_then(|end| self.0.split_at_checked(end)).ok_or(Malformed)?;
        self.0 = rest;
        Ok((tag, element.get(size..).unwrap_or_default()))
    }

    /// The next element, or `None` if nothing is left.
    ///
    /// # Errors
    /// It is longer than its container.
    pub(super) fn take_if_any(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        if self.is_empty() { Ok(None) } else { self.take().map(Some) }
    }

    /// The content of the next element, which must have `tag`.
    ///
    /// # Errors
    /// As [`take`](Self::take). Another tag is an error too.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.take()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// The value of a non-negative INTEGER or ENUMERATED of one to four octets.
///
/// # Errors
/// Any other content.
pub(super) fn natural(content: &[u8]) -> Result<u32, Malformed> {
    match content {
        [0..=0x7f, rest @ ..] if rest.len() < 4 => {
            Ok(content.iter().fold(0, |value, octet| value << 8 | u32::from(*octet)))
        }
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_definite_and_of_four_octets_at_most() {
        let content = |input: &[u8]| head(input).map(|head| head.map(|head| (head.size, head.content)));
        assert_eq!(content(&[0x30, 0x0c]), Ok(Some((2, 12))));
        assert_eq!(content(&[0x30, 0x81, 0x0c]), Ok(Some((3, 12))));
        assert_eq!(content(&[0x30, 0x84, 0, 0, 0, 0x0c]), Ok(Some((6, 12))));
        assert_eq!(content(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), Ok(Some((6, u32::MAX))));
        for short in [&[][..], &[0x30], &[0x30, 0x82, 1], &[0x30, 0x84, 0, 0, 0]] {
            assert_eq!(content(short), Ok(None), "{short:?}");
        }
        for bad in [&[0x30, 0x80][..], &[0x30, 0x85], &[0x30, 0xff], &[0x3f], &[0x1f, 0x81]] {
            assert_eq!(content(bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn an_element_does_not_leave_what_holds_it() {
        let mut elements = Elements(&[0x04, 1, b'a', 0x02, 1, 7, 0x04, 2, b'b']);
        assert_eq!(elements.expect(0x04), Ok(&b"a"[..]));
        assert_eq!(elements.take(), Ok((0x02, &[7][..])));
        assert_eq!(elements.take(), Err(Malformed));
        assert_eq!(Elements(&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 0]).take(), Err(Malformed));
    }

    #[test]
    fn naturals() {
        assert_eq!(natural(&[0x7f, 0xff, 0xff, 0xff]), Ok(0x7fff_ffff));
        assert_eq!(natural(&[0, 0xff]), Ok(255));
        for bad in [&[][..], &[0x80], &[0, 0x80, 0, 0, 0]] {
            assert_eq!(natural(bad), Err(Malformed), "{bad:?}");
        }
    }
}

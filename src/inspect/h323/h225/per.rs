//! A decoder of aligned PER (X.691). It reads only the forms that devices send.
//!
//! Decoders differ in how they read other forms. If a PBX finds a message in a form that Portward skips, the message
//! reaches the PBX unchecked. So these forms are [`Unreadable`]:
//! - fragments (X.691 §11.9.3.8) and lengths that take more octets than they need (§11.9.3.6, §11.9.3.7);
//! - the large form of a normally small number or length (§11.6.2, §11.9.3.4). Only an alias may have the large form,
//!   because an unknown alternative is skipped, and all decoders agree where it ends;
//! - octets after the end of a value, in an open type and elsewhere.
//!
//! Padding bits are ignored, as in every decoder. Each read takes a step of a budget that is proportional to the number
//! of octets. So a list never costs more than its octets justify, whatever length it claims.

/// The error: the octets cannot be read, or have a form that no device sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

pub(super) type Read<T> = Result<T, Unreadable>;

/// How many values an octet can hold. A value takes at least one bit.
const STEPS_AN_OCTET: usize = 8;

/// A position in an encoding.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    /// The next bit, counted from the first one.
    place: usize,
    /// How many values may still be read.
    steps: usize,
}

/// The alternative of a CHOICE.
#[derive(Debug)]
pub(super) enum Choice<'a> {
    /// An alternative of the root. Its value follows.
    Root(u32),
    /// An alternative after the extension marker, with its value.
    Addition(u32, Reader<'a>),
}

/// The preamble of a SEQUENCE.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preamble {
    /// Whether extension additions follow the root.
    extended: bool,
    present: u32,
    optional: u32,
}

impl Preamble {
    /// Whether the optional field with this index is present.
    pub(super) const fn has(self, index: u32) -> bool {
        self.present << index & 1 << (self.optional - 1) != 0
    }
}

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { octets, place: 0, steps: octets.len() * STEPS_AN_OCTET }
    }

    /// The next `count` bits, 16 at most.
    pub(super) fn bits(&mut self, count: u32) -> Read<u32> {
        self.steps = self.steps.checked_sub(1).ok_or(Unreadable)?;
        let end = self.place + count as usize;
        if end > self.octets.len() * 8 {
            return Err(Unreadable);
        }
        let octet = |index: usize| self.octets.get(index).map_or(0, |octet| u32::from(*octet));
        let (first, offset) = (self.place / 8, (self.place % 8) as u32);
        let window = octet(first) << 16 | octet(first + 1) << 8 | octet(first + 2);
        self.place = end;
        Ok(window << offset >> (24 - count) & ((1 << count) - 1))
    }

    /// A BOOLEAN.
    pub(super) fn bit(&mut self) -> Read<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    /// Moves to the next octet.
    const fn align(&mut self) {
        self.place = self.place.next_multiple_of(8);
    }

    /// The next `count` whole octets.
    pub(super) fn octets(&mut self, count: usize) -> Read<&'a [u8]> {
        self.steps = self.steps.checked_sub(1).ok_or(Unreadable)?;
        self.align();
        let first = self.place / 8;
        let octets = self.octets.get(first..first + count).ok_or(Unreadable)?;
        self.place += count * 8;
        Ok(octets)
    }

    /// INTEGER (0..65535), or an INTEGER with as many values.
    pub(super) fn word(&mut self) -> Read<u16> {
        self.align();
        self.bits(16).map(|word| word as u16)
    }

    /// INTEGER (0..4294967295) (X.691 §11.5.7.4). Its value is not used.
    pub(super) fn long(&mut self) -> Read<()> {
        let length = self.bits(2)? as usize + 1;
        self.octets(length).map(|_| ())
    }

    /// A length determinant without constraint (X.691 §11.9.3.5 to 8).
    pub(super) fn length(&mut self) -> Read<usize> {
        self.align();
        let first = self.bits(8)? as usize;
        match first {
            ..0x80 => Ok(first),
            0x80..0xc0 => {
                let length = (first & 0x3f) << 8 | self.bits(8)? as usize;
                if length < 0x80 { Err(Unreadable) } else { Ok(length) }
            }
            _ => Err(Unreadable),
        }
    }

    /// A length of 1 to `most`, which is at most 65,536 (X.691 §11.5.7).
    pub(super) fn size(&mut self, most: usize) -> Read<usize> {
        let bits = match most {
            ..256 => most.next_power_of_two().trailing_zeros(),
            256 => 8,
            _ => 16,
        };
        if most >= 256 {
            self.align();
        }
        let size = self.bits(bits)? as usize + 1;
        if size > most { Err(Unreadable) } else { Ok(size) }
    }

    /// OCTET STRING, OBJECT IDENTIFIER, IA5String without constraint.
    pub(super) fn string(&mut self) -> Read<&'a [u8]> {
        let length = self.length()?;
        self.octets(length)
    }

    /// BMPString (SIZE (1..most)).
    pub(super) fn wide(&mut self, most: usize) -> Read<&'a [u8]> {
        let size = self.size(most)?;
        self.octets(2 * size)
    }

    /// OCTET STRING (SIZE (1..most)), or an IA5String.
    pub(super) fn sized(&mut self, most: usize) -> Read<&'a [u8]> {
        let size = self.size(most)?;
        self.octets(size)
    }

    /// A normally small number (X.691 §11.6), or a normally small length minus one (§11.9.3.4).
    fn small(&mut self) -> Read<u32> {
        if self.bit()? { Err(Unreadable) } else { self.bits(6) }
    }

    /// An open type (X.691 §11.2).
    pub(super) fn open(&mut self) -> Read<Self> {
        self.string().map(Self::new)
    }

    /// The preamble of an extensible SEQUENCE with `optional` optional fields in its root (X.691 §19).
    pub(super) fn sequence(&mut self, optional: u32) -> Read<Preamble> {
        let extended = self.bit()?;
        Ok(Preamble { extended, present: self.bits(optional)?, optional })
    }

    /// The extension additions of a SEQUENCE, each with its index (X.691 §19.7 to 19.9).
    pub(super) fn additions(
        &mut self,
        preamble: Preamble,
        mut addition: impl FnMut(u32, Reader<'a>) -> Read<()>,
    ) -> Read<()> {
        if !preamble.extended {
            return Ok(());
        }
        let count = self.small()? + 1;
        let mut present = 0_u64;
        let mut left = count;
        while left > 0 {
            let bits = left.min(16);
            present = present << bits | u64::from(self.bits(bits)?);
            left -= bits;
        }
        for index in 0..count {
            if present >> (count - 1 - index) & 1 == 1 {
                let open = self.open()?;
                addition(index, open)?;
            }
        }
        Ok(())
    }

    /// Skips the extension additions of a SEQUENCE.
    pub(super) fn skip_additions(&mut self, preamble: Preamble) -> Read<()> {
        self.additions(preamble, |_, _| Ok(()))
    }

    /// The index of an extensible CHOICE with `roots` alternatives in its root (X.691 §23).
    pub(super) fn choice(&mut self, roots: u32) -> Read<Choice<'a>> {
        if self.bit()? {
            let index = self.small()?;
            Ok(Choice::Addition(index, self.open()?))
        } else {
            self.root(roots).map(Choice::Root)
        }
    }

    /// The same, but an index of 64 to 255 may have the large form.
    pub(super) fn wide_choice(&mut self, roots: u32) -> Read<Choice<'a>> {
        if !self.bit()? {
            return self.root(roots).map(Choice::Root);
        }
        let index = if !self.bit()? {
            self.bits(6)?
        } else {
            match self.string()? {
                [index @ 64..=255] => u32::from(*index),
                _ => return Err(Unreadable),
            }
        };
        Ok(Choice::Addition(index, self.open()?))
    }

    fn root(&mut self, roots: u32) -> Read<u32> {
        let index = self.bits(roots.next_power_of_two().trailing_zeros())?;
        if index < roots { Ok(index) } else { Err(Unreadable) }
    }

    /// A CHOICE of NULLs.
    pub(super) fn null_of(&mut self, roots: u32) -> Read<()> {
        self.choice(roots).map(|_| ())
    }

    /// An extensible ENUMERATED. Its value is not used.
    pub(super) fn enumerated(&mut self, roots: u32) -> Read<()> {
        let index = if self.bit()? { self.small() } else { self.root(roots) };
        index.map(|_| ())
    }

    /// The length of an open type in octets.
    pub(super) const fn len(&self) -> usize {
        self.octets.len()
    }

    /// The octets after the value. Unused bits of the value's last octet are not included.
    fn rest(&self) -> &'a [u8] {
        self.octets.get(self.place.div_ceil(8)..).unwrap_or_default()
    }

    /// Requires that nothing follows the value.
    pub(super) const fn end(&self) -> Read<()> {
        if self.place.div_ceil(8) == self.octets.len() { Ok(()) } else { Err(Unreadable) }
    }

    /// Requires that only zeros follow the value. Some encoders send their whole buffer.
    pub(super) fn end_or_zeros(&self) -> Read<()> {
        if self.rest().iter().all(|octet| *octet == 0) { Ok(()) } else { Err(Unreadable) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 15, A3: forms that no device sends, each beside the form that devices send.
    #[test]
    fn only_the_shortest_form_of_a_length_is_read() {
        for (octets, length) in [
            (&[0x00][..], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 0x80], Some(128)),
            (&[0xbf, 0xff], Some(16_383)),
            (&[0x80, 0x7f], None),
            (&[0x80, 0x00], None),
            (&[0xc1], None),
            (&[0xc4], None),
            (&[0xff], None),
            (&[0x80], None),
        ] {
            assert_eq!(Reader::new(octets).length().ok(), length, "{octets:02x?}");
        }
    }

    #[test]
    fn additions_and_alternatives_in_the_large_form() {
        let map = |octets: &[u8]| {
            let mut reader = Reader::new(octets);
            let preamble = reader.sequence(0).expect("a preamble");
            let mut found = Vec::new();
            reader.additions(preamble, |index, open| {
                found.push((index, open.len()));
                Ok(())
            })?;
            Ok::<_, Unreadable>(found)
        };
        // The extension bit is set. There are two additions, and the second is present.
        assert_eq!(map(&[0b1000_0001, 0b0100_0000, 1, 0xaa]), Ok(vec![(1, 1)]));
        // The same number of additions in the large form.
        assert_eq!(map(&[0b1100_0000, 1, 2, 0x40, 1, 0xaa]), Err(Unreadable));
        assert_eq!(map(&[0b1100_0000, 2, 0x40, 1, 0xaa]), Err(Unreadable));
        let index = |octets: &[u8]| match Reader::new(octets).wide_choice(2) {
            Ok(Choice::Addition(index, _)) => Some(index),
            _ => None,
        };
        assert_eq!(index(&[0b1000_0010, 1, 0]), Some(2));
        assert_eq!(index(&[0b1100_0000, 1, 69, 1, 0]), Some(69));
        assert_eq!(index(&[0b1100_0000, 1, 2, 1, 0]), None, "an index that has a small form");
        assert_eq!(index(&[0b1100_0000, 2, 0, 69, 1, 0]), None);
        assert!(Reader::new(&[0b1100_0000, 1, 69, 1, 0]).choice(2).is_err());
    }

    #[test]
    fn sizes_and_bits() {
        let mut reader = Reader::new(&[0b1010_1111, 0xff, 0x12, 0x34, 0x81]);
        assert_eq!((reader.bits(3), reader.bits(0), reader.bits(9)), (Ok(0b101), Ok(0), Ok(0b0_1111_1111)));
        assert_eq!((reader.word(), reader.bits(16)), (Ok(0x1234), Err(Unreadable)));
        assert_eq!((reader.end(), reader.bit(), reader.end()), (Err(Unreadable), Ok(true), Ok(())));
        assert_eq!(Reader::new(&[0b0000_0110]).size(128), Ok(4));
        assert_eq!(Reader::new(&[0x05]).size(256), Ok(6));
        assert_eq!(Reader::new(&[0x01, 0xff]).size(512), Ok(512));
        assert_eq!(Reader::new(&[0x02, 0x00]).size(512), Err(Unreadable));
        assert_eq!(Reader::new(&[0b1010_0000]).size(20), Err(Unreadable));
        let preamble = Reader::new(&[0b0101_0000]).sequence(3).expect("a preamble");
        assert_eq!([0, 1, 2].map(|index| preamble.has(index)), [true, false, true]);
    }

    #[test]
    fn what_takes_no_octets_is_bounded_by_those_there_are() {
        let mut reader = Reader::new(&[0; 4]);
        let read = (0..1_000).take_while(|_| reader.bits(0).is_ok()).count();
        assert_eq!(read, 4 * STEPS_AN_OCTET);
    }

    #[test]
    fn what_may_follow_a_value() {
        let behind = |octets: &[u8]| {
            let mut reader = Reader::new(octets);
            let _ = reader.bit();
            (reader.end().is_ok(), reader.end_or_zeros().is_ok())
        };
        assert_eq!(behind(&[0xff]), (true, true));
        assert_eq!(behind(&[0xff, 0, 0]), (false, true));
        assert_eq!(behind(&[0xff, 0, 1]), (false, false));
    }
}

//! Macros for the types of [`syntax`](super::syntax): fields with constraints of their own, and choices that tolerate
//! unknown alternatives.

use rasn::prelude::*;
use rasn::types::constraints::Constraints;
use rasn::types::{Ia5String, Tag, TagTree};
use rasn::{constraints, permitted_alphabet_constraint, size_constraint, value_constraint};

/// A field type with constraints of its own. It may be a field of any SEQUENCE.
macro_rules! kept {
    ($name:ident, $inner:ty, $($constraint:expr),+) => {
        #[derive(Debug)]
        pub(super) struct $name(pub(super) $inner);

        impl AsnType for $name {
            const TAG: Tag = <$inner as AsnType>::TAG;
        }

        impl Decode for $name {
            fn decode_with_tag_and_constraints<D: Decoder>(
                decoder: &mut D,
                tag: Tag,
                _: &Constraints,
            ) -> Result<Self, D::Error> {
                <$inner>::decode_with_tag_and_constraints(decoder, tag, &constraints!($($constraint),+)).map(Self)
            }
        }
    };
}

/// The same, but the value is dropped.
macro_rules! skipped {
    ($name:ident, $inner:ty, $constraint:expr) => {
        #[derive(Debug)]
        pub(super) struct $name;

        impl AsnType for $name {
            const TAG: Tag = <$inner as AsnType>::TAG;
        }

        impl Decode for $name {
            fn decode_with_tag_and_constraints<D: Decoder>(
                decoder: &mut D,
                tag: Tag,
                _: &Constraints,
            ) -> Result<Self, D::Error> {
                <$inner>::decode_with_tag_and_constraints(decoder, tag, &constraints!($constraint))
                    .map(|_| Self)
            }
        }
    };
}

/// The tag of the first extension addition of a [`choice`]. The root's alternatives have lower tags.
const ADDITION: u32 = 1_000;
/// The tags of additions. H.225.0 will never have so many.
pub(super) static ADDITIONS: [TagTree; 256] = tags(ADDITION);
/// The tags of root alternatives. H.225.0 does not have so many.
pub(super) static ROOTS: [TagTree; 32] = tags(0);

const fn tags<const N: usize>(first: u32) -> [TagTree; N] {
    let mut tags = [TagTree::Leaf(Tag::new(rasn::types::Class::Context, first)); N];
    let mut tag = first;
    let mut rest: &mut [TagTree] = &mut tags;
    while let Some((one, more)) = rest.split_first_mut() {
        *one = TagTree::Leaf(Tag::new(rasn::types::Class::Context, tag));
        tag += 1;
        rest = more;
    }
    tags
}

/// An extensible CHOICE. It lists by tag the alternatives that are kept, and the alternatives of the root that are read
/// and dropped so that the following octets can be read. Any other alternative is skipped to its end.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident of $roots:literal {
        $($kept:ident($type:ty) = $tag:pat,)* $(; $($drop:ty = $drop_tag:pat,)*)?
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) enum $name { $($kept($type),)* Unknown }

        impl AsnType for $name {
            const TAG: Tag = Tag::EOC;
            const TAG_TREE: TagTree = TagTree::Choice(<Self as Choice>::VARIANTS);
            const CONSTRAINTS: Constraints = Constraints::new(&[Constraint::Extensible]);
            const IS_CHOICE: bool = true;
        }

        impl Choice for $name {
            const VARIANTS: &'static [TagTree] = ROOTS.split_at($roots).0;
            const VARIANCE_CONSTRAINT: Constraints = constraints!(value_constraint!(0, $roots - 1));
            const EXTENDED_VARIANTS: Option<&'static [TagTree]> = Some(&ADDITIONS);
            const IDENTIFIERS: &'static [&'static str] = &[];
        }

        impl Decode for $name {
            fn decode_with_tag_and_constraints<D: Decoder>(
                decoder: &mut D,
                _: Tag,
                _: &Constraints,
            ) -> Result<Self, D::Error> {
                decoder.decode_choice(&Self::CONSTRAINTS)
            }
        }

        impl DecodeChoice for $name {
            fn from_tag<D: Decoder>(decoder: &mut D, tag: Tag) -> Result<Self, D::Error> {
                match tag.value {
                    $($tag => <$type>::decode(decoder).map(Self::$kept),)*
                    $($($drop_tag => <$drop>::decode(decoder).map(|_| Self::Unknown),)*)?
                    _ => Rest::decode(decoder).map(|_| Self::Unknown),
                }
            }
        }
    };
}

/// All octets up to the end.
#[derive(Debug)]
pub(super) struct Rest;

impl AsnType for Rest {
    const TAG: Tag = Tag::OCTET_STRING;
}

impl Decode for Rest {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        _: Tag,
        _: &Constraints,
    ) -> Result<Self, D::Error> {
        while decoder.decode_bool(Tag::BOOL).is_ok() {}
        Ok(Self)
    }
}

kept!(Name, BmpString, size_constraint!(1, 256));
kept!(GatekeeperIdentifier, BmpString, size_constraint!(1, 128));
kept!(Address, Ia5String, size_constraint!(1, 512));
kept!(Digits, Ia5String, size_constraint!(1, 128), permitted_alphabet_constraint!(&ALPHABET));
kept!(Standard, u32, value_constraint!(0, 16_383, extensible));
skipped!(Octet, u8, value_constraint!(0, 255));
skipped!(Word, u16, value_constraint!(0, 65_535));
skipped!(Long, u32, value_constraint!(0, 4_294_967_295));
skipped!(Octets2, OctetString, size_constraint!(2));
skipped!(Octets4, OctetString, size_constraint!(4));
skipped!(Octets6, OctetString, size_constraint!(6));
skipped!(Octets16, OctetString, size_constraint!(16));
skipped!(Octets20, OctetString, size_constraint!(1, 20));
skipped!(Octets131, OctetString, size_constraint!(1, 131));
skipped!(Octets256, OctetString, size_constraint!(1, 256));
skipped!(Octets, OctetString, size_constraint!(start: 0));
skipped!(Text, Ia5String, size_constraint!(start: 0));
skipped!(WideText, BmpString, size_constraint!(start: 0));

/// An OBJECT IDENTIFIER is encoded as its octets.
pub(super) type Oid = Octets;

const ALPHABET: [u32; 13] = {
    let mut alphabet = [0; 13];
    let mut from: &[u8] = b"#*,0123456789";
    let mut to: &mut [u32] = &mut alphabet;
    while let (Some((octet, octets)), Some((code, codes))) = (from.split_first(), to.split_first_mut()) {
        *code = *octet as u32;
        from = octets;
        to = codes;
    }
    alphabet
};

pub(super) use choice;

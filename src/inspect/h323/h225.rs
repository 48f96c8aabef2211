//! H.225.0 version 7 in aligned PER (X.691), as far as who is asked for depends on it.
//!
//! `rasn` decodes: bits, lengths, optional fields, open types; it bounds recursion and reserves no more than the input
//! could hold. What is added, because real endpoints are older, newer or sloppier than the standard:
//! - nothing is encoded: hashes cover the octets (H.235), which pass as they came;
//! - every extension addition is optional, also the mandatory ones, and what none of us needs is passed over;
//! - constraints stand in the field types themselves ([`kept`], [`skipped`]), because `rasn` forgets those of a newtype
//!   in an extension addition;
//! - an alternative that a [`choice`] does not know is passed over, where `rasn`'s own would refuse the message;
//! - octets behind a message are allowed.
//!
//! Names are those of the standard; a field whose name begins with `_` is read to know where the next one begins.

use rasn::prelude::*;
use rasn::types::constraints::{Constraint, Constraints};
use rasn::types::{Choice, DecodeChoice, Ia5String, Tag, TagTree};
use rasn::{constraints, permitted_alphabet_constraint, size_constraint, value_constraint};

use super::{Registration, Verb};

/// An alias address (H.225.0 §7.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alias {
    /// dialledDigits.
    Digits(String),
    /// h323-ID.
    H323(String),
    /// url-ID.
    Url(String),
    /// email-ID.
    Email(String),
    /// A transport address, a party number, or something newer.
    Other,
}

impl Alias {
    /// As it is shown.
    pub fn text(&self) -> &str {
        match self {
            Self::Digits(text) | Self::H323(text) | Self::Url(text) | Self::Email(text) => text,
            Self::Other => "",
        }
    }
}

/// What was found in an H323-UserInformation.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) registrations: Vec<Registration>,
    /// destinationAddress of a Setup.
    pub(super) destinations: Option<Vec<Alias>>,
    /// A tunnelled RAS message could not be read.
    pub(super) unreadable: bool,
}

/// H.460.17.
const TUNNEL: u32 = 17;
/// Its parameter with a RAS message.
const RAS: u32 = 1;

/// Reads it; `None` if that cannot be done.
pub(super) fn user_information(octets: &[u8]) -> Option<Found> {
    let (information, _) = rasn::aper::decode_with_remainder::<UserInformation>(octets).ok()?;
    let pdu = information.pdu;
    let mut found = Found::default();
    if let Body::Setup(setup) = pdu.body {
        found.destinations = Some(aliases(setup.destination_address));
    }
    let tunnels = pdu.generic_data.iter().flatten().filter(|data| data.id.is(TUNNEL));
    for parameter in tunnels.flat_map(|data| data.parameters.iter().flatten()) {
        let (true, Some(Content::Raw(octets))) = (parameter.id.is(RAS), &parameter.content) else { continue };
        match ras(octets) {
            Some(Some(registration)) => found.registrations.push(registration),
            Some(None) => {}
            None => found.unreadable = true,
        }
    }
    Some(found)
}

/// The registration in a RAS message, if it is one; `None` if it cannot be read.
pub(super) fn ras(octets: &[u8]) -> Option<Option<Registration>> {
    let (message, _) = rasn::aper::decode_with_remainder::<RasMessage>(octets).ok()?;
    Some(match message {
        RasMessage::Gatekeeper(request) => Some(request.into()),
        RasMessage::Registration(request) => Some(request.into()),
        RasMessage::Unknown => None,
    })
}

fn aliases(list: Option<Vec<AliasAddress>>) -> Vec<Alias> {
    list.unwrap_or_default().into_iter().map(Alias::from).collect()
}

impl From<AliasAddress> for Alias {
    fn from(alias: AliasAddress) -> Self {
        match alias {
            AliasAddress::Digits(Digits(text)) => Self::Digits(ia5(&text)),
            AliasAddress::H323Id(Name(text)) => Self::H323(bmp(text)),
            AliasAddress::Url(Address(text)) => Self::Url(ia5(&text)),
            AliasAddress::Email(Address(text)) => Self::Email(ia5(&text)),
            AliasAddress::Unknown => Self::Other,
        }
    }
}

/// PTLib ends strings with NULs.
fn ia5(text: &Ia5String) -> String {
    String::from_utf8_lossy(text.as_iso646_bytes()).trim_end_matches('\0').to_owned()
}

fn bmp(text: BmpString) -> String {
    let mut text = String::from_utf16_lossy(&text.into_vec());
    text.truncate(text.trim_end_matches('\0').len());
    text
}

impl From<GatekeeperRequest> for Registration {
    fn from(request: GatekeeperRequest) -> Self {
        Self {
            verb: Verb::Gatekeeper,
            sequence: request.sequence,
            identifier: identifier(request.gatekeeper_identifier),
            aliases: aliases(request.endpoint_alias),
            keep_alive: false,
        }
    }
}

impl From<RegistrationRequest> for Registration {
    fn from(request: RegistrationRequest) -> Self {
        Self {
            verb: Verb::Registration,
            sequence: request.sequence,
            identifier: identifier(request.gatekeeper_identifier),
            aliases: aliases(request.terminal_alias),
            keep_alive: request.keep_alive.unwrap_or_default(),
        }
    }
}

fn identifier(identifier: Option<GatekeeperIdentifier>) -> Option<String> {
    identifier.map(|GatekeeperIdentifier(text)| bmp(text)).filter(|text| !text.is_empty())
}

/// A field with constraints of its own, whatever it is a field of.
macro_rules! kept {
    ($name:ident, $inner:ty, $($constraint:expr),+) => {
        #[derive(Debug)]
        struct $name($inner);

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

/// The same, without what is in it.
macro_rules! skipped {
    ($name:ident, $inner:ty, $constraint:expr) => {
        #[derive(Debug)]
        struct $name;

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

/// The tag of the first extension addition of a [`choice`]: the root's alternatives have the tags below.
const ADDITION: u32 = 1_000;
/// More additions than H.225.0 will ever have.
static ADDITIONS: [TagTree; 256] = tags(ADDITION);
/// More root alternatives than it has.
static ROOTS: [TagTree; 32] = tags(0);

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

/// An extensible CHOICE: what is kept, what is read and dropped (of the root, so that what follows can be read), by
/// tag; anything else is passed over to its end.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident of $roots:literal {
        $($kept:ident($type:ty) = $tag:pat,)* $(; $($drop:ty = $drop_tag:pat,)*)?
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        enum $name { $($kept($type),)* Unknown }

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

/// Whatever there is, to the end.
#[derive(Debug)]
struct Rest;

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
type Oid = Octets;

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

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct UserInformation {
    pdu: Pdu,
    _user_data: Option<UserData>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct UserData {
    _protocol_discriminator: Octet,
    _user_information: Octets131,
}

/// H323-UU-PDU.
#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Pdu {
    body: Body,
    _non_standard_data: Option<NonStandard>,
    #[rasn(extension_addition)]
    _h4501: Option<Rest>,
    #[rasn(extension_addition)]
    _h245_tunnelling: Option<Rest>,
    #[rasn(extension_addition)]
    _h245_control: Option<Rest>,
    #[rasn(extension_addition)]
    _non_standard_control: Option<Rest>,
    #[rasn(extension_addition)]
    _call_linkage: Option<Rest>,
    #[rasn(extension_addition)]
    _tunnelled_signalling_message: Option<Rest>,
    #[rasn(extension_addition)]
    _provisional_resp_to_h245_tunnelling: Option<Rest>,
    #[rasn(extension_addition)]
    _stimulus_control: Option<Rest>,
    #[rasn(extension_addition)]
    generic_data: Option<Vec<GenericData>>,
}

choice! {
    /// h323-message-body.
    Body of 7 {
        Setup(SetupUuie) = 0,;
        Proceeding = 1 | 3,
        Connect = 2,
        Information = 4,
        ReleaseComplete = 5,
        Facility = 6,
    }
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct SetupUuie {
    _protocol_identifier: Oid,
    _h245_address: Option<TransportAddress>,
    _source_address: Option<Vec<Skipped>>,
    _source_info: EndpointType,
    destination_address: Option<Vec<AliasAddress>>,
    _dest_call_signal_address: Option<TransportAddress>,
    _dest_extra_call_info: Option<Vec<Skipped>>,
    _dest_extra_crv: Option<Vec<Word>>,
    _active_mc: bool,
    _conference_id: Octets16,
    _conference_goal: ConferenceGoal,
    _call_services: Option<QseriesOptions>,
    _call_type: CallType,
}

/// CallProceeding-UUIE and Alerting-UUIE.
#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Proceeding {
    _protocol_identifier: Oid,
    _destination_info: EndpointType,
    _h245_address: Option<TransportAddress>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Connect {
    _protocol_identifier: Oid,
    _h245_address: Option<TransportAddress>,
    _destination_info: EndpointType,
    _conference_id: Octets16,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Information {
    _protocol_identifier: Oid,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct ReleaseComplete {
    _protocol_identifier: Oid,
    _reason: Option<ReleaseReason>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Facility {
    _protocol_identifier: Oid,
    _alternative_address: Option<TransportAddress>,
    _alternative_alias_address: Option<Vec<Skipped>>,
    _conference_id: Option<Octets16>,
    _reason: FacilityReason,
}

choice! { ReleaseReason of 12 { ; () = 0..12, } }
choice! { FacilityReason of 4 { ; () = 0..4, } }
choice! { ConferenceGoal of 3 { ; () = 0..3, } }
choice! { CallType of 4 { ; () = 0..4, } }
choice! { Routing of 2 { ; () = 0..2, } }

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct QseriesOptions {
    _q932: bool,
    _q951: bool,
    _q952: bool,
    _q953: bool,
    _q955: bool,
    _q956: bool,
    _q957: bool,
    _q954: Q954Details,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Q954Details {
    _conference_calling: bool,
    _three_party_service: bool,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
struct NonStandard {
    _identifier: NonStandardIdentifier,
    _data: Octets,
}

choice! { NonStandardIdentifier of 2 { ; Oid = 0, H221NonStandard = 1, } }

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct H221NonStandard {
    _country: Octet,
    _extension: Octet,
    _manufacturer: Word,
}

choice! {
    AliasAddress of 2 {
        Digits(Digits) = 0,
        H323Id(Name) = 1,
        Url(Address) = 1_000,
        Email(Address) = 1_002,
    }
}

choice! {
    /// An alias address that nobody asks for.
    Skipped of 2 { ; Digits = 0, Name = 1, }
}

choice! {
    TransportAddress of 7 {
        ;
        IpAddress = 0,
        SourceRoute = 1,
        IpxAddress = 2,
        Ip6Address = 3,
        Octets16 = 4,
        Octets20 = 5,
        NonStandard = 6,
    }
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
struct IpAddress {
    _ip: Octets4,
    _port: Word,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct SourceRoute {
    _ip: Octets4,
    _port: Word,
    _route: Vec<Octets4>,
    _routing: Routing,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
struct IpxAddress {
    _node: Octets6,
    _netnum: Octets4,
    _port: Octets2,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Ip6Address {
    _ip: Octets16,
    _port: Word,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct EndpointType {
    _non_standard_data: Option<NonStandard>,
    _vendor: Option<VendorIdentifier>,
    _gatekeeper: Option<Capabilities>,
    _gateway: Option<GatewayInfo>,
    _mcu: Option<Capabilities>,
    _terminal: Option<Capabilities>,
    _mc: bool,
    _undefined_node: bool,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct VendorIdentifier {
    _vendor: H221NonStandard,
    _product_id: Option<Octets256>,
    _version_id: Option<Octets256>,
}

/// GatekeeperInfo, McuInfo, TerminalInfo, and those of SupportedProtocols: their roots are alike.
#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct Capabilities {
    _non_standard_data: Option<NonStandard>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct GatewayInfo {
    _protocol: Option<Vec<SupportedProtocols>>,
    _non_standard_data: Option<NonStandard>,
}

choice! { SupportedProtocols of 9 { ; NonStandard = 0, Capabilities = 1..9, } }

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct GenericData {
    id: GenericIdentifier,
    #[rasn(size("1..=512"))]
    parameters: Option<Vec<EnumeratedParameter>>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct EnumeratedParameter {
    id: GenericIdentifier,
    content: Option<Content>,
}

choice! { GenericIdentifier of 3 { Standard(Standard) = 0, ; Oid = 1, Octets16 = 2, } }

impl GenericIdentifier {
    fn is(&self, wanted: u32) -> bool {
        matches!(self, Self::Standard(Standard(number)) if *number == wanted)
    }
}

choice! {
    Content of 12 {
        Raw(OctetString) = 0,
        ;
        Text = 1,
        WideText = 2,
        bool = 3,
        Octet = 4,
        Word = 5,
        Long = 6,
        GenericIdentifier = 7,
        Skipped = 8,
        TransportAddress = 9,
        Compound = 10,
        Nested = 11,
    }
}

/// A SEQUENCE of one mandatory field is encoded as that field.
#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
struct Compound {
    #[rasn(size("1..=512"))]
    _parameters: Vec<EnumeratedParameter>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
struct Nested {
    #[rasn(size("1..=16"))]
    _data: Vec<GenericData>,
}

choice! {
    RasMessage of 25 {
        Gatekeeper(GatekeeperRequest) = 0,
        Registration(RegistrationRequest) = 3,
    }
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct GatekeeperRequest {
    #[rasn(value("1..=65535"))]
    sequence: u16,
    _protocol_identifier: Oid,
    _non_standard_data: Option<NonStandard>,
    _ras_address: TransportAddress,
    _endpoint_type: EndpointType,
    gatekeeper_identifier: Option<GatekeeperIdentifier>,
    _call_services: Option<QseriesOptions>,
    endpoint_alias: Option<Vec<AliasAddress>>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
struct RegistrationRequest {
    #[rasn(value("1..=65535"))]
    sequence: u16,
    _protocol_identifier: Oid,
    _non_standard_data: Option<NonStandard>,
    _discovery_complete: bool,
    _call_signal_address: Vec<TransportAddress>,
    _ras_address: Vec<TransportAddress>,
    _terminal_type: EndpointType,
    terminal_alias: Option<Vec<AliasAddress>>,
    gatekeeper_identifier: Option<GatekeeperIdentifier>,
    _endpoint_vendor: VendorIdentifier,
    #[rasn(extension_addition)]
    _alternate_endpoints: Option<Rest>,
    #[rasn(extension_addition)]
    _time_to_live: Option<Rest>,
    #[rasn(extension_addition)]
    _tokens: Option<Rest>,
    #[rasn(extension_addition)]
    _crypto_tokens: Option<Rest>,
    #[rasn(extension_addition)]
    _integrity_check_value: Option<Rest>,
    #[rasn(extension_addition)]
    keep_alive: Option<bool>,
}

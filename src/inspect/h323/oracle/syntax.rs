//! H.225.0 version 7, annex H: the types of a client's messages, in the order of their octets.
//!
//! Names are those of the standard. A field whose name begins with `_` is read only to find the beginning of the next
//! field.
//!
//! The file is long because it is one ASN.1 module in the order of the standard. If it were split, omissions would be
//! hard to see.

use rasn::prelude::*;
use rasn::types::constraints::{Constraint, Constraints};
use rasn::types::{Choice, DecodeChoice, Tag, TagTree};
use rasn::{constraints, value_constraint};

use super::per::{
    ADDITIONS, Address, Digits, GatekeeperIdentifier, Long, Name, Octet, Octets, Octets2, Octets4, Octets6,
    Octets16, Octets20, Octets131, Octets256, Oid, ROOTS, Rest, Standard, Text, WideText, Word, choice,
};

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct UserInformation {
    pub(super) pdu: Pdu,
    _user_data: Option<UserData>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct UserData {
    _protocol_discriminator: Octet,
    _user_information: Octets131,
}

/// H323-UU-PDU.
#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct Pdu {
    pub(super) body: Body,
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
    pub(super) generic_data: Option<Vec<GenericData>>,
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
pub(super) struct SetupUuie {
    _protocol_identifier: Oid,
    _h245_address: Option<TransportAddress>,
    _source_address: Option<Vec<Skipped>>,
    _source_info: EndpointType,
    pub(super) destination_address: Option<Vec<AliasAddress>>,
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
pub(super) struct Proceeding {
    _protocol_identifier: Oid,
    _destination_info: EndpointType,
    _h245_address: Option<TransportAddress>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct Connect {
    _protocol_identifier: Oid,
    _h245_address: Option<TransportAddress>,
    _destination_info: EndpointType,
    _conference_id: Octets16,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct Information {
    _protocol_identifier: Oid,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct ReleaseComplete {
    _protocol_identifier: Oid,
    _reason: Option<ReleaseReason>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct Facility {
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
pub(super) struct QseriesOptions {
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
pub(super) struct Q954Details {
    _conference_calling: bool,
    _three_party_service: bool,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
pub(super) struct NonStandard {
    _identifier: NonStandardIdentifier,
    _data: Octets,
}

choice! { NonStandardIdentifier of 2 { ; Oid = 0, H221NonStandard = 1, } }

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct H221NonStandard {
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
    /// An alias address that is read and not needed.
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
pub(super) struct IpAddress {
    _ip: Octets4,
    _port: Word,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct SourceRoute {
    _ip: Octets4,
    _port: Word,
    _route: Vec<Octets4>,
    _routing: Routing,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
pub(super) struct IpxAddress {
    _node: Octets6,
    _netnum: Octets4,
    _port: Octets2,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct Ip6Address {
    _ip: Octets16,
    _port: Word,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct EndpointType {
    _non_standard_data: Option<NonStandard>,
    _vendor: Option<VendorIdentifier>,
    _gatekeeper: Option<Capabilities>,
    pub(super) gateway: Option<GatewayInfo>,
    _mcu: Option<Capabilities>,
    _terminal: Option<Capabilities>,
    _mc: bool,
    _undefined_node: bool,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct VendorIdentifier {
    _vendor: H221NonStandard,
    _product_id: Option<Octets256>,
    _version_id: Option<Octets256>,
}

/// GatekeeperInfo, McuInfo and TerminalInfo, which have the same root fields.
#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct Capabilities {
    _non_standard_data: Option<NonStandard>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct GatewayInfo {
    pub(super) protocol: Option<Vec<SupportedProtocols>>,
    _non_standard_data: Option<NonStandard>,
}

impl EndpointType {
    /// Whether a gateway may claim prefixes: by a protocol with prefixes, or by an unknown protocol.
    pub(super) fn has_prefixes(&self) -> bool {
        let protocols = self.gateway.iter().flat_map(|gateway| &gateway.protocol).flatten();
        protocols.into_iter().any(|protocol| match protocol {
            SupportedProtocols::Known(known) => {
                known.supported_prefixes.as_ref().is_some_and(|list| !list.is_empty())
            }
            SupportedProtocols::Unknown => true,
        })
    }
}

choice! { SupportedProtocols of 9 { Known(ProtocolCapabilities) = 1..9, ; NonStandard = 0, } }

/// A gateway's entry for a protocol. The types H310Caps to T120OnlyCaps have the same fields.
#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct ProtocolCapabilities {
    _non_standard_data: Option<NonStandard>,
    #[rasn(extension_addition)]
    _data_rates_supported: Option<Rest>,
    #[rasn(extension_addition)]
    pub(super) supported_prefixes: Option<Vec<Rest>>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct GenericData {
    pub(super) id: GenericIdentifier,
    #[rasn(size("1..=512"))]
    pub(super) parameters: Option<Vec<EnumeratedParameter>>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct EnumeratedParameter {
    pub(super) id: GenericIdentifier,
    pub(super) content: Option<Content>,
}

choice! { GenericIdentifier of 3 { Standard(Standard) = 0, ; Oid = 1, Octets16 = 2, } }

impl GenericIdentifier {
    pub(super) fn is(&self, wanted: u32) -> bool {
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
pub(super) struct Compound {
    #[rasn(size("1..=512"))]
    _parameters: Vec<EnumeratedParameter>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
pub(super) struct Nested {
    #[rasn(size("1..=16"))]
    _data: Vec<GenericData>,
}

choice! {
    RasMessage of 25 {
        Gatekeeper(GatekeeperRequest) = 0,
        Registration(RegistrationRequest) = 3,
        Confirm(Rest) = 4,
        Reject(RegistrationReject) = 5,
    }
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct GatekeeperRequest {
    #[rasn(value("1..=65535"))]
    pub(super) sequence: u16,
    _protocol_identifier: Oid,
    _non_standard_data: Option<NonStandard>,
    _ras_address: TransportAddress,
    _endpoint_type: EndpointType,
    pub(super) gatekeeper_identifier: Option<GatekeeperIdentifier>,
    _call_services: Option<QseriesOptions>,
    pub(super) endpoint_alias: Option<Vec<AliasAddress>>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct RegistrationRequest {
    #[rasn(value("1..=65535"))]
    pub(super) sequence: u16,
    _protocol_identifier: Oid,
    _non_standard_data: Option<NonStandard>,
    _discovery_complete: bool,
    _call_signal_address: Vec<TransportAddress>,
    _ras_address: Vec<TransportAddress>,
    pub(super) terminal_type: EndpointType,
    pub(super) terminal_alias: Option<Vec<AliasAddress>>,
    pub(super) gatekeeper_identifier: Option<GatekeeperIdentifier>,
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
    pub(super) keep_alive: Option<bool>,
    #[rasn(extension_addition)]
    _endpoint_identifier: Option<Rest>,
    #[rasn(extension_addition)]
    _will_supply_uuies: Option<Rest>,
    #[rasn(extension_addition)]
    _maintain_connection: Option<Rest>,
    #[rasn(extension_addition)]
    _alternate_transport_addresses: Option<Rest>,
    #[rasn(extension_addition)]
    pub(super) additive_registration: Option<Rest>,
    #[rasn(extension_addition)]
    pub(super) terminal_alias_pattern: Option<Rest>,
}

#[derive(Debug, AsnType, Decode)]
#[rasn(automatic_tags)]
#[non_exhaustive]
pub(super) struct RegistrationReject {
    #[rasn(value("1..=65535"))]
    _sequence: u16,
    _protocol_identifier: Oid,
    _non_standard_data: Option<NonStandard>,
    pub(super) reason: RejectReason,
    _gatekeeper_identifier: Option<GatekeeperIdentifier>,
}

choice! {
    /// RegistrationRejectReason.
    RejectReason of 8 {
        SecurityDenial(Rest) = 1_003,
        SecurityError(SecurityErrors) = 1_009,
        ;
        () = 0..4 | 5..8,
        DuplicateAliases = 4,
    }
}

/// duplicateAlias: a SEQUENCE OF AliasAddress.
type DuplicateAliases = Vec<Skipped>;

choice! {
    /// The security errors. `Forged` stands for those that deny an identity: wrong identifiers, a wrong password.
    SecurityErrors of 16 { Forged(()) = 2..5, ; () = 0..2 | 5..16, }
}

//! Values that more than one table has.

use std::time::Duration;

use ipnet::IpNet;

use super::report::Fault;
use super::scalar;
use super::walk::Value;
use crate::guard::RequestRate;
use crate::inspect::sip::MESSAGE_LIMIT;
use crate::rules::Verify;

/// A text that may be empty for "none".
pub(super) fn empty_or<T: Default>(
    value: &Value<'_>,
    wanted: &str,
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> Option<T> {
    value.parsed(wanted, |text| if text.is_empty() { Ok(T::default()) } else { parse(text) })
}

/// A duration as a text.
pub(super) fn duration(value: &Value<'_>) -> Option<Duration> {
    value.parsed("a duration as \"10s\" or \"5m\"", scalar::duration)
}

/// A list of networks, each of them right.
pub(super) fn networks(value: &Value<'_>) -> Option<Vec<IpNet>> {
    let wanted = "a list of networks, as [\"192.0.2.0/24\"]";
    Some(value.list(wanted).iter().filter_map(|e| e.parsed(wanted, scalar::network)).collect())
}

/// How `verify` is said, in `[upstream]` and for a target.
pub(super) const VERIFY: [(&str, Verify); 2] = [("ca", Verify::Ca), ("none", Verify::None)];

/// Warns of `verify = "none"`: any machine that answers is taken for the PBX.
pub(super) fn warn_of_none(value: &Value<'_>, verify: Verify) {
    if verify == Verify::None {
        value.warn(
            Fault::new(
                "the target's certificate is not verified: whoever answers there is taken for the PBX",
            )
            .help("a `pin` needs no CA: portward cert show ADDRESS:PORT prints it"),
        );
    }
}

/// The longest SIP message toward a target. The least has room for a registration with credentials.
pub(super) fn max_message(value: &Value<'_>) -> Option<u32> {
    value.parsed("a size as \"64KiB\"", |text| scalar::size(text, 1024..=MESSAGE_LIMIT))
}

/// `min_rate`: octets a second.
pub(super) fn min_rate(value: &Value<'_>) -> Option<u32> {
    value.integer(0..=1_000_000)
}

/// SIP requests by the second or the minute; empty: any number.
pub(super) fn request_rate(value: &Value<'_>) -> Option<Option<RequestRate>> {
    empty_or(value, "a rate as \"50/s\"", |text| scalar::request_rate(text).map(Some))
}

//! Kinds of values that several tables have.

use std::time::Duration;

use ipnet::IpNet;

use super::report::Fault;
use super::scalar;
use super::walk::Value;
use crate::guard::RequestRate;
use crate::inspect::sip::MESSAGE_LIMIT;
use crate::rules::Verify;

/// Reads a text that may be empty for "none".
pub(super) fn empty_or<T: Default>(
    value: &Value<'_>,
    wanted: &str,
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> Option<T> {
    value.parsed(wanted, |text| if text.is_empty() { Ok(T::default()) } else { parse(text) })
}

/// Reads a duration.
pub(super) fn duration(value: &Value<'_>) -> Option<Duration> {
    value.parsed("a duration as \"10s\" or \"5m\"", scalar::duration)
}

/// Reads a list of networks. Wrong ones are reported.
pub(super) fn networks(value: &Value<'_>) -> Option<Vec<IpNet>> {
    let wanted = "a list of networks, as [\"192.0.2.0/24\"]";
    Some(value.list(wanted).iter().filter_map(|e| e.parsed(wanted, scalar::network)).collect())
}

/// The words of `verify`, in `[upstream]` and for a target.
pub(super) const VERIFY: [(&str, Verify); 2] = [("ca", Verify::Ca), ("none", Verify::None)];

/// Warns about `verify = "none"`: every machine that answers would be taken for the PBX.
pub(super) fn warn_of_none(value: &Value<'_>, verify: Verify) {
    if verify == Verify::None {
        value.warn(
            Fault::new(
                "the target's certificate is not verified: any machine that answers there is taken for the PBX",
            )
            .help("a `pin` needs no CA: portward cert show ADDRESS:PORT prints it"),
        );
    }
}

/// Reads the longest SIP message toward a target. The lower bound has room for a registration with credentials.
pub(super) fn max_message(value: &Value<'_>) -> Option<u32> {
    value.parsed("a size as \"64KiB\"", |text| scalar::size(text, 1024..=MESSAGE_LIMIT))
}

/// Reads `min_rate`: octets a second.
pub(super) fn min_rate(value: &Value<'_>) -> Option<u32> {
    value.integer(0..=1_000_000)
}

/// Reads a rate of SIP requests in a second or a minute. Empty: any rate.
pub(super) fn request_rate(value: &Value<'_>) -> Option<Option<RequestRate>> {
    empty_or(value, "a rate as \"50/s\"", |text| scalar::request_rate(text).map(Some))
}

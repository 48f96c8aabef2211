//! Object identifiers in the numeric form of RFC 4512 §1.4: `numericoid = number 1*( DOT number )`. A number has no
//! leading zeros, so an identifier has exactly one spelling.

/// Whether `text` is an object identifier in its numeric form and nothing else.
pub(super) fn is_numeric(text: &[u8]) -> bool {
    text.contains(&b'.') && text.split(|byte| *byte == b'.').all(is_number)
}

/// Whether the digits are a number without leading zeros.
fn is_number(digits: &[u8]) -> bool {
    let leading_zero = digits.len() > 1 && digits.first() == Some(&b'0');
    !digits.is_empty() && !leading_zero && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::is_numeric;

    #[test]
    fn an_identifier_has_one_spelling() {
        for good in ["1.3.6.1.4.1.1466.20037", "0.9.2342.19200300.100.1.25", "2.5", "1.10.0"] {
            assert!(is_numeric(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "1", ".", "1.", ".1", "1..2", "01.2", "1.02", "1.2 ", " 1.2", "1.2\0", "1.2.x", "1.-2",
            "1.2\n", "OID.1.2",
        ] {
            assert!(!is_numeric(bad.as_bytes()), "{bad:?}");
        }
    }
}

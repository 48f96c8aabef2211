//! The form of a tenant's id, and the length of its friendly name (contract section 9). Rules files, paths, the API and
//! imports all use these.

/// The longest id, in octets.
pub const LONGEST_TENANT_ID: usize = 64;

/// The longest friendly name, in characters. A request's path may contain it.
pub const LONGEST_TENANT_NAME: usize = 255;

/// Whether a text can be the id of a tenant: 1 to 64 of A-Z a-z 0-9 . _ -, but neither "." nor "..".
pub fn is_tenant_id(text: &str) -> bool {
    (1..=LONGEST_TENANT_ID).contains(&text.len())
        && text.bytes().all(is_of_tenant_id)
        && !matches!(text, "." | "..")
}

/// Whether the id of a tenant may have this octet.
pub const fn is_of_tenant_id(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_1_what_an_id_is() {
        let longest = "x".repeat(LONGEST_TENANT_ID);
        for id in ["XYZ", "a", "9", ".a", "...", "-", "_", "customer-1.example", &longest] {
            assert!(is_tenant_id(id), "{id}");
        }
        let too_long = format!("{longest}x");
        for text in ["", ".", "..", "a b", "a/b", "a%2f", "\u{e4}", "a\n", "a;b", "{tenant}", &too_long] {
            assert!(!is_tenant_id(text), "{text:?}");
        }
    }
}

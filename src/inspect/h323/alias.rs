//! The aliases of endpoints.

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
    /// A transport address, a party number, or a kind of alias that is not known.
    Other,
}

impl Alias {
    /// The alias as text. PTLib ends strings with NULs, which are removed.
    pub fn text(&self) -> &str {
        match self {
            Self::Digits(text) | Self::H323(text) | Self::Url(text) | Self::Email(text) => {
                text.trim_end_matches('\0')
            }
            Self::Other => "",
        }
    }
}

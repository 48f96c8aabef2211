//! Characters that some server takes for a dot or a slash (contract section 2).
//!
//! Servers that bring a path to Unicode's compatibility form (NFKC) make `.` of U+FF0E and `..` of U+2025. Windows does the
//! same when it converts a path to a code page, for more characters ("best fit"). Others leave out what cannot be seen. So
//! a segment of nothing but such characters may become `..`, and such a slash may end a segment.

/// What a character that is not ASCII may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// Nothing that matters in a path.
    None,
    /// Dots, blanks, or nothing at all.
    Dot,
    /// A slash or a backslash.
    Slash,
}

impl Likeness {
    /// What `character` may become.
    pub(super) fn of(character: char) -> Self {
        match character {
            // Leaders and an ellipsis; presentation forms, small and full-width forms.
            '\u{2024}'..='\u{2026}' | '\u{fe19}' | '\u{fe30}' | '\u{fe52}' | '\u{ff0e}' => Self::Dot,
            // What cannot be seen: hyphens that are not written, joiners, marks of direction, variation selectors.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' => Self::Dot,
            '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => {
                Self::Dot
            }
            // Fraction and division slashes, set minus; small and full-width forms.
            '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}' => Self::Slash,
            '\u{fe68}' | '\u{ff0f}' | '\u{ff3c}' => Self::Slash,
            // Yen and won stand where ASCII has its backslash, in code pages 932 and 949.
            '\u{a5}' | '\u{20a9}' | '\u{ffe5}' | '\u{ffe6}' => Self::Slash,
            _ if character.is_whitespace() => Self::Dot,
            _ => Self::None,
        }
    }
}

//! Characters that some servers take for a dot or a slash (contract section 2).
//!
//! Servers that bring a path to Unicode's compatibility form (NFKC) read U+FF0E as `.` and U+2025 as `..`. Windows does
//! the same with more characters when it converts a path to a code page ("best fit"). Other servers leave out invisible
//! characters. So a segment of such characters alone may become `..`, and a character like a slash may end a segment.

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
            // Dot leaders and an ellipsis, presentation forms, small and full-width forms.
            '\u{2024}'..='\u{2026}' | '\u{fe19}' | '\u{fe30}' | '\u{fe52}' | '\u{ff0e}' => Self::Dot,
            // Invisible characters: soft hyphens, joiners, marks of direction, variation selectors.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' => Self::Dot,
            '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => {
                Self::Dot
            }
            // Fraction and division slashes, set minus; small and full-width forms.
            '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}' => Self::Slash,
            '\u{fe68}' | '\u{ff0f}' | '\u{ff3c}' => Self::Slash,
            // The signs of yen and won. In code pages 932 and 949 they stand in the place of ASCII's backslash.
            '\u{a5}' | '\u{20a9}' | '\u{ffe5}' | '\u{ffe6}' => Self::Slash,
            _ if character.is_whitespace() => Self::Dot,
            _ => Self::None,
        }
    }
}

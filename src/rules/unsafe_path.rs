//! Why a path is refused.

use std::fmt;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unsafe {
    /// It does not begin with `/`.
    NoLeadingSlash,
    /// `.` or `..` in some spelling, or a segment that may become one: it has only dots and spaces, or characters like
    /// them.
    DotSegment,
    /// `//`, or a segment with nothing before its `;`.
    EmptySegment,
    /// `%25` that would make another escape when decoded twice.
    EncodedPercent,
    /// `%2F`.
    EncodedSlash,
    /// `%` without two hex digits.
    MalformedEscape,
    /// `\` or `%5C`.
    Backslash,
    /// A control byte (C0, DEL, C1) or a bare space.
    Control,
    /// The path is not UTF-8 when decoded, or has an overlong form.
    Utf8,
    /// A bare `?` or `#`.
    Query,
    /// Some server reads the path as one that another rule matches, and that rule demands a login.
    OtherRule,
    /// `;` in a rule: some servers cut the rest off, and so the rule's prefix.
    Parameter,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLeadingSlash => "the path does not begin with a slash",
            Self::DotSegment => "the path has a segment that may be read as '.' or '..'",
            Self::EmptySegment => "the path has an empty segment ('//')",
            Self::EncodedPercent => "the path has an encoded percent sign that would make another escape",
            Self::EncodedSlash => "the path has an encoded slash (%2F)",
            Self::MalformedEscape => "the path has a percent sign without two hex digits after it",
            Self::Backslash => "the path has a backslash",
            Self::Control => "the path has a control character or a space; a space is written %20",
            Self::Utf8 => "the path is not UTF-8 when decoded",
            Self::Query => "the path has a bare '?' or '#'",
            Self::OtherRule => "servers may read the path as one of another rule, which demands a login",
            Self::Parameter => "the path of a rule cannot have a ';', because some servers cut it off",
        })
    }
}

impl std::error::Error for Unsafe {}

//! The text format of Prometheus, version 0.0.4: families with HELP and TYPE, and samples with labels.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write as _};

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number that only grows, until a restart.
    Counter,
    /// A number that grows and shrinks.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The text so far. All samples of a family come together, after its name.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    family: &'static str,
}

impl Text {
    /// Begins a family. `help` is one line without a backslash.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
    }

    /// Adds a sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample_of("", labels, value);
    }

    /// Adds a sample of a part of the family: `_bucket`, `_sum`, `_count`.
    pub(super) fn sample_of(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.extend([self.family, part]);
        for (number, (name, value)) in labels.iter().enumerate() {
            self.text.extend([if number == 0 { "{" } else { "," }, name, "=\""]);
            escape(&mut self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A number in the form of Prometheus.
pub(super) fn number(number: f64) -> String {
    if number == f64::INFINITY { "+Inf".to_owned() } else { number.to_string() }
}

/// Writes the value of a label: backslash, quote and line feed are escaped. Other control characters, which a file's
/// name may contain, are replaced.
fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other if other.is_control() => text.push('\u{fffd}'),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_words_and_labels_are_escaped() {
        let mut text = Text::default();
        text.family("a_total", Kind::Counter, "What it is.");
        text.sample(&[], 1);
        text.sample(&[("name", "a\\b\"c\nd\te"), ("le", &number(f64::INFINITY))], number(0.5));
        assert_eq!(
            text.finish(),
            "# HELP a_total What it is.\n# TYPE a_total counter\na_total 1\n\
             a_total{name=\"a\\\\b\\\"c\\nd\u{fffd}e\",le=\"+Inf\"} 0.5\n"
        );
    }
}

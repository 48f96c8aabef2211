//! Statements of the documentation about commands, messages, files, the unit and rights are true. They are compared
//! with the program's own texts, its unit, and the lists of installed files.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod commands;
mod installed;
mod messages;
mod service;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below `folder` with one of these extensions.
pub(crate) fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path.to_string_lossy(), extensions));
        } else if path.extension().is_some_and(|end| extensions.iter().any(|wanted| end == *wanted)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pages for people.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut pages = files("docs", &["md"]);
    pages.extend(["README.md", "certs/README.md"].map(PathBuf::from));
    pages
}

/// A page's fenced blocks: the word after the fence, and the lines.
pub(crate) fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    blocks
        .map(|block| block.split_once('\n').unwrap_or((block, "")))
        .map(|(word, lines)| (word, lines.lines().collect()))
        .collect()
}

/// The lines in a page's fenced blocks.
pub(crate) fn block_lines(text: &str) -> impl Iterator<Item = &str> {
    blocks(text).into_iter().flat_map(|(_, lines)| lines)
}

/// The texts in backticks outside of blocks.
pub(crate) fn spans(text: &str) -> Vec<String> {
    let prose = text.split("\n```").step_by(2);
    let spans = prose.flat_map(|part| part.split('`').skip(1).step_by(2));
    spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

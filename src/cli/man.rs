//! `portward man`: the man pages of the commands, for the packages.
//!
//! `clap_mangen` writes them, except for the text after the help of a command (examples and exit codes). It would make
//! one filled paragraph of that text. So that text is written here: each part becomes a section, and its lines stay
//! lines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_mangen::Man;

use super::terminal;

/// Write the man pages of portward and its commands into a folder
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// An existing folder
    folder: PathBuf,
}

/// Writes the pages. `portward` is the whole command line.
pub(super) fn run(args: &Args, portward: Command) -> ExitCode {
    let mut portward = portward.disable_help_subcommand(true);
    portward.build();
    match pages(&portward, &args.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(format_args!("error: cannot write to {}: {error}", args.folder.display()));
            ExitCode::from(terminal::NO)
        }
    }
}

/// Writes the page of a command, and the pages of its subcommands.
fn pages(command: &Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        pages(below, folder)?;
    }
    let behind = command.get_after_long_help().or(command.get_after_help());
    let behind = behind.map(ToString::to_string).unwrap_or_default();
    let nothing: Option<&str> = None;
    let page = Man::new(command.clone().after_help(nothing).after_long_help(nothing));
    let mut text = Vec::new();
    page.render(&mut text)?;
    text.extend(sections(&behind).bytes());
    fs::write(folder.join(page.get_filename()), text)
}

/// Writes examples, exit codes and other text after the help as sections (man(7)).
fn sections(behind: &str) -> String {
    let mut page = String::new();
    for part in behind.split("\n\n").filter(|part| !part.trim().is_empty()) {
        let (title, lines) = match part.split_once('\n') {
            Some((title, lines)) if title.ends_with(':') => (title.trim_end_matches(':'), lines),
            _ => ("Notes", part),
        };
        let title = if title == "Exit codes" { "Exit status" } else { title };
        page.push_str(&format!(".SH {}\n.nf\n", title.to_uppercase()));
        for line in lines.lines() {
            page.push_str(&line_of(line.strip_prefix("  ").unwrap_or(line)));
        }
        page.push_str(".fi\n");
    }
    page
}

/// A line that is printed unchanged: `\` and `-` stand for themselves, and no line is a request.
fn line_of(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{guard}{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_and_exit_codes_are_sections_and_their_lines_stay_lines() {
        let behind = "Examples:\n  portward a --b 'c\\d'\n  .hidden\n\nIt is so.\n\nExit codes:\n  0  good\n  1  not\n     good";
        let expected = ".SH EXAMPLES\n.nf\nportward a \\-\\-b 'c\\ed'\n\\&.hidden\n.fi\n\
                        .SH NOTES\n.nf\nIt is so.\n.fi\n\
                        .SH EXIT STATUS\n.nf\n0  good\n1  not\n   good\n.fi\n";
        assert_eq!(sections(behind), expected);
        assert_eq!(sections(""), "");
    }
}

//! Reads an answer that is a stream of events (WHATWG HTML, section 9.2).

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{NoAnswer, PATIENCE, connected};

/// The longest silence. The daemon sends something at least every 15 seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest line. An event has few names in it.
const LINE: u64 = 64 * 1024;

/// Asks the daemon behind `socket` for the events at `path`. Each event is given to `see`, with its kind, until `see`
/// returns false or the daemon announces the end.
///
/// # Errors
/// See [`NoAnswer`]. [`NoAnswer::Broken`] also means that the daemon went away.
pub fn follow(socket: &Path, path: &str, mut see: impl FnMut(&str, &Value) -> bool) -> Result<(), NoAnswer> {
    let mut stream = connected(socket)?;
    ask(&mut stream, path).map_err(NoAnswer::Broken)?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if (&mut reader).take(LINE).read_line(&mut head).map_err(NoAnswer::Broken)? == 0 {
            return Err(NoAnswer::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or_else(|| NoAnswer::Broken(io::ErrorKind::InvalidData.into()))?;
    if status != 200 {
        let mut body = String::new();
        let _ = reader.take(LINE).read_to_string(&mut body);
        return Err(NoAnswer::refused(status, &serde_json::from_str(&body).unwrap_or_default()));
    }
    events(reader, &mut see)
}

fn ask(stream: &mut UnixStream, path: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0, so that the answer has no chunks (RFC 9112 §6.1).
    write!(stream, "GET {path} HTTP/1.0\r\nHost: portward\r\n\r\n")
}

/// Reads lines: `event:` and `data:`. An empty line ends an event, and `:` begins a comment.
fn events(mut reader: impl BufRead, see: &mut impl FnMut(&str, &Value) -> bool) -> Result<(), NoAnswer> {
    let (mut kind, mut data, mut line) = (String::new(), String::new(), String::new());
    loop {
        line.clear();
        if (&mut reader).take(LINE).read_line(&mut line).map_err(NoAnswer::Broken)? == 0 {
            return Err(NoAnswer::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let text = line.trim_end_matches(['\r', '\n']);
        if text.is_empty() && !data.is_empty() {
            if let Ok(json) = serde_json::from_str(&data) {
                let goes_on = see(&kind, &json);
                if !goes_on || kind == "end" {
                    return Ok(());
                }
            }
            kind.clear();
            data.clear();
        } else if let Some(value) = text.strip_prefix("event: ") {
            value.clone_into(&mut kind);
        } else if let Some(value) = text.strip_prefix("data: ") {
            data.push_str(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_3_events_are_read_one_by_one_and_an_end_that_was_not_announced_is_told() {
        let text = ": portward\n\nevent: decision\ndata: {\"id\":1}\n\n: nothing new\n\nevent: missed\ndata: {\"missed\":7}\n\n";
        let mut seen = Vec::new();
        let mut see = |kind: &str, json: &Value| {
            seen.push(format!("{kind} {json}"));
            true
        };
        assert!(matches!(events(text.as_bytes(), &mut see), Err(NoAnswer::Broken(_))));
        let end = format!("{text}event: end\ndata: {{}}\n\n");
        assert!(events(end.as_bytes(), &mut see).is_ok());
        assert_eq!(seen[..2], ["decision {\"id\":1}", "missed {\"missed\":7}"]);
        assert_eq!(seen.last().unwrap(), "end {}");
        assert!(events(text.as_bytes(), &mut |_: &str, _: &Value| false).is_ok(), "enough");
    }
}

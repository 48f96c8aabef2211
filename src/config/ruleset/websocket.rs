//! `websocket = "sip"` of an entry of `http`, and the keys that belong to it (contract section 9).

use std::num::NonZeroU16;
use std::sync::Arc;

use super::super::report::Fault;
use super::super::scalar;
use super::super::tree::Node;
use super::super::walk::{Section, Value};
use crate::rules::{Onward, Origins, Ports, WEBSOCKET_WAIT, WebSocketRule};

/// Takes `websocket`, `origins`, `websocket_wait` and the keys of [`onward`]. `Ok(None)`: the entry ends no WebSockets.
///
/// # Errors
/// They are wrong, which was reported.
pub(super) fn read(section: &mut Section<'_>) -> Result<Option<WebSocketRule>, ()> {
    let websocket = section.get("websocket");
    let origins = section.get("origins");
    let wait = section.get("websocket_wait");
    let onward = onward(section);
    let Some(websocket) = websocket else {
        if let Ok(Some((_, value))) = &onward {
            let fault = Fault::new(format!("`{}` cannot matter without `websocket`", value.key));
            value.error_at_key(fault.help("websocket = \"sip\" ends WebSockets with SIP in them here"));
        }
        for alone in [&origins, &wait].into_iter().flatten() {
            alone.error_at_key(
                Fault::new(format!("`{}` cannot matter without `websocket`", alone.key))
                    .help("websocket = \"sip\" ends WebSockets with SIP in them here"),
            );
        }
        let nothing = origins.is_none() && wait.is_none() && matches!(onward, Ok(None));
        return if nothing { Ok(None) } else { Err(()) };
    };
    websocket.choice(&[("sip", ())]).ok_or(())?;
    let origins = origins.as_ref().map_or(Some(Origins::Own), self::origins).ok_or(())?;
    let wait = match wait {
        Some(value) => value.parsed("a duration", scalar::duration).ok_or(())?,
        None => WEBSOCKET_WAIT,
    };
    let onward = onward?.map(|(onward, _)| Arc::new(onward));
    Ok(Some(WebSocketRule { origins, wait, onward }))
}

/// Takes `ws`, `wss` and `ws_path`: the ports of a PBX that is reached by WebSocket. The result includes the key that
/// sets them.
///
/// # Errors
/// They are wrong, which was reported.
pub(super) fn onward<'w>(section: &mut Section<'w>) -> Result<Option<(Onward, Value<'w>)>, ()> {
    let (ws, wss, path) = (section.get("ws"), section.get("wss"), section.get("ws_path"));
    let read = |value: &Option<Value<'w>>| match value {
        Some(value) => {
            let port = value.integer(1..=65535).and_then(|port| u16::try_from(port).ok());
            port.and_then(NonZeroU16::new).map(Some).ok_or(())
        }
        None => Ok(None),
    };
    let (tcp, tls) = (read(&ws), read(&wss));
    let said = path.as_ref().map_or(Some("/".into()), |value| value.parsed("a path", handshake_path));
    let ports = Ports { tcp: tcp?, tls: tls? };
    let said = said.ok_or(())?;
    match (ws.or(wss), path) {
        (Some(key), _) if ports.tcp.is_some() && ports.tcp == ports.tls => {
            key.error(Fault::new("the plain and the TLS port are the same"));
            Err(())
        }
        (Some(key), _) => Ok(Some((Onward { ports, path: said }, key))),
        (None, Some(path)) => {
            path.error_at_key(
                Fault::new("`ws_path` cannot matter without `ws` or `wss`")
                    .help("they are the ports on which the PBX speaks SIP over WebSocket"),
            );
            Err(())
        }
        (None, None) => Ok(None),
    }
}

/// Reads the path of the handshake with a PBX. It may have a query.
fn handshake_path(text: &str) -> Result<Box<str>, Fault> {
    let is_sound = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    match is_sound {
        true => Ok(text.into()),
        false => {
            Err(Fault::new("this is no path of a request").help("a path starts with a slash, as \"/ws\""))
        }
    }
}

/// Refuses a target in an entry that ends WebSockets, because it has no effect there. The host that From names decides
/// where the WebSockets lead.
pub(super) fn refuse_target(value: Option<&Value<'_>>) -> Option<()> {
    let Some(value) = value else { return Some(()) };
    value.error_at_key(
        Fault::new(format!("`{}` cannot matter beside `websocket`", value.key))
            .help("the sip rule of the host that From names says where the client goes"),
    );
    None
}

/// Reads `origins`, a list that is not empty.
pub(super) fn origins(value: &Value<'_>) -> Option<Origins> {
    let wanted = "a list of origins, as [\"https://www.example.net\"]";
    let entries = value.list(wanted);
    if entries.is_empty() {
        if matches!(value.node, Node::Array(list) if list.is_empty()) {
            value.error(
                Fault::new("with an empty list no page may connect")
                    .help("leave `origins` out for the host's own pages, or list those that may call"),
            );
        }
        return None;
    }
    let (mut origins, mut none) = (Vec::new(), false);
    let mut all_read = true;
    for entry in &entries {
        match entry.parsed("an origin, as \"https://www.example.net\"", origin) {
            Some(Some(origin)) => origins.push(origin),
            Some(None) => none = true,
            None => all_read = false,
        }
    }
    all_read.then(|| Origins::Listed { origins: origins.into(), none })
}

/// An origin in the form of browsers (RFC 6454 section 6.2), in lower case and without a standard port. `None`: the
/// text is `none`.
fn origin(text: &str) -> Result<Option<Box<str>>, Fault> {
    const HELP: &str = "an origin is a scheme, a host and maybe a port, as \"https://www.example.net\"; \"none\" is for \
                        clients without one";
    if text == "none" {
        return Ok(None);
    }
    let lower = text.to_ascii_lowercase();
    if lower == "*" || lower == "null" {
        return Err(Fault::new(format!("{text} is no origin: every page of the world could call")).help(HELP));
    }
    let (scheme, rest) =
        lower.split_once("://").ok_or_else(|| Fault::new("the origin has no scheme").help(HELP))?;
    let rest = match rest.strip_suffix('/') {
        Some(bare) if !bare.contains('/') => {
            return Err(
                Fault::new("an origin ends without a slash").help(format!("write \"{scheme}://{bare}\""))
            );
        }
        _ => rest,
    };
    if let Some(at) = rest.find(['/', '?', '#', '@', '*', ' ', ',']) {
        let at = text.len() - rest.len() + at;
        return Err(Fault::new("an origin has no path, no user and no pattern")
            .at(at..text.len())
            .help(HELP));
    }
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme || rest.is_empty() {
        return Err(Fault::new("this is no origin").help(HELP));
    }
    let standard = match scheme {
        "https" => ":443",
        "http" => ":80",
        // Origins of apps and of browser extensions.
        _ => return Ok(Some(lower.into())),
    };
    let host = rest.strip_suffix(standard).unwrap_or(rest);
    scalar::host_and_port(host)?;
    Ok(Some(format!("{scheme}://{host}").into()))
}

//! `/v1/session`: a browser logs in with a token or with the code of a link, asks for its right, and logs out. Over the
//! socket POST makes such a link. `/login` is the page to which the link leads.

use hyper::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFRESH, SET_COOKIE};
use hyper::{Method, StatusCode};
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::listeners::why_port_is_closed;
use super::{Answer, Asked};
use crate::admin::access::{self, CameBy, LINK, SESSION};
use crate::admin::body::Fields;
use crate::admin::moment::utc;
use crate::admin::query::Query;
use crate::log::Level;
use crate::state::tokens::TokenRights;

/// `/v1/session`.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    match (asked.came_by, &asked.head.method) {
        (CameBy::Socket { .. }, &Method::POST) => link(asked),
        (CameBy::Socket { .. }, _) => Answer::bad("there are no sessions on the socket"),
        (CameBy::Port { client, is_tls, .. }, &Method::POST) => {
            log_in(asked, client, is_tls).unwrap_or_else(|no| no)
        }
        (CameBy::Port { is_tls, .. }, &Method::DELETE) => log_out(asked, is_tls),
        (CameBy::Port { .. }, _) => look(asked),
    }
}

/// Makes a link that logs in once, for the command that prints it. The request needs no body.
fn link(asked: &Asked<'_>) -> Answer {
    if !asked.body.is_empty() {
        return Answer::bad("over the socket this makes a link, and takes no body");
    }
    let snapshot = asked.shared.snapshot.load();
    let admin = &snapshot.config.admin;
    let Some(listen) = admin.listen else {
        let why = "there is no dashboard: admin.listen is empty; write listen = \"127.0.0.1:9400\" below [admin] in \
                   portward.toml, then `portward reload`";
        return Answer::wrong(StatusCode::CONFLICT, why);
    };
    if let Some(why) = why_port_is_closed(asked.shared, &snapshot) {
        return Answer::wrong(StatusCode::CONFLICT, &format!("admin.listen is closed: {why}"));
    }
    let is_tls = admin.certificate.is_some();
    let host = shown_host(listen, &admin.names, is_tls);
    let scheme = if is_tls { "https" } else { "http" };
    let code = asked.access.sessions.link();
    let text = format!("{} asks for a link that logs in to the dashboard", asked.by());
    asked.shared.note(Level::Info, &text);
    Answer::ok(&json!({
        "link": format!("{scheme}://{host}/login?code={}", *code),
        "expires": utc(SystemTime::now() + LINK),
    }))
    .with_status(StatusCode::CREATED)
}

/// The host in the link. With https it is the first name, because certificates are for names. The same holds if the
/// port listens on every address (`0.0.0.0`). Without a name it is then `localhost`.
fn shown_host(listen: SocketAddr, names: &[Box<str>], is_tls: bool) -> String {
    let port = listen.port();
    match names.first().filter(|_| is_tls || listen.ip().is_unspecified()) {
        Some(name) if name.contains(':') => format!("[{name}]:{port}"),
        Some(name) => format!("{name}:{port}"),
        None if listen.ip().is_unspecified() => format!("localhost:{port}"),
        None => listen.to_string(),
    }
}

fn log_in(asked: &Asked<'_>, client: SocketAddr, is_tls: bool) -> Result<Answer, Answer> {
    access::may_log_in(asked.came_by, asked.head, asked.shared)?;
    let fields = Fields::of(asked.body, &["token", "code"]).map_err(Answer::bad)?;
    let text = |name| fields.text(name).map_err(Answer::bad);
    let sessions = &asked.access.sessions;
    let begun = match (text("token")?, text("code")?) {
        (Some(token), None) => {
            let judged = asked.shared.admin_tokens.judge(token.as_bytes());
            judged.map(|(rights, ends)| (rights, sessions.begin(rights, &ends)))
        }
        (None, Some(code)) => sessions.redeem(code).map(|id| (TokenRights::Change, id)),
        _ => return Err(Answer::bad("either `token` or `code` is needed, as text")),
    };
    let (rights, id) = begun.ok_or_else(|| asked.access.wrong(client, asked.shared))?;
    let answer = shown(rights, Some(SESSION));
    Ok(with_session(asked, (client, is_tls), &id, answer.with_status(StatusCode::CREATED)))
}

/// The right of the session or token. The page asks for this first. Without a session and a token, `access` has already
/// answered 401.
fn look(asked: &Asked<'_>) -> Answer {
    let left = asked.admitted.until.map(|until| until.saturating_duration_since(Instant::now()));
    asked.admitted.rights.map_or_else(|| Answer::missing("there is no session"), |rights| shown(rights, left))
}

/// A token does not expire.
fn shown(rights: TokenRights, left: Option<Duration>) -> Answer {
    let right = match rights {
        TokenRights::Change => "change",
        TokenRights::Read => "read",
    };
    Answer::ok(&json!({ "right": right, "expires": left.map(|left| utc(SystemTime::now() + left)) }))
}

/// `/login?code=…`: the page to which a link leads. The answer sends the browser to the dashboard by a Refresh field and
/// not by a redirect. So the browser sends the cookie, whatever page the link was followed from.
pub(super) fn follow(asked: &Asked<'_>) -> Answer {
    let CameBy::Port { client, is_tls, .. } = asked.came_by else {
        return Answer::bad("links are for the port of the dashboard");
    };
    let code = match Query::of(&asked.head.uri, &["code"]) {
        Ok(query) => query.text("code").unwrap_or_default().to_owned(),
        Err(why) => return Answer::bad(why),
    };
    // HEAD does not use up the code.
    if asked.head.method != Method::GET {
        return Answer::not_allowed(&["GET"]);
    }
    let Some(id) = asked.access.sessions.redeem(&code) else {
        let wrong = asked.access.wrong(client, asked.shared);
        let why = "This link has been used, or is older than a minute. <code>portward dashboard</code> prints a new one. \
                   <a href=\"/\">To the dashboard</a>.";
        return styled(wrong.with_content(HTML, page(why)));
    };
    let said = "You are logged in. If nothing happens, <a href=\"/\">go on to the dashboard</a>.";
    let answer = styled(Answer::whole(StatusCode::OK, HTML, page(said)));
    let answer = answer.with(REFRESH, HeaderValue::from_static("0; url=/"));
    with_session(asked, (client, is_tls), &id, answer)
}

const HTML: &str = "text/html; charset=utf-8";

/// A page with one sentence, for people.
fn page(said: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Portward</title>\n\
         <link rel=\"stylesheet\" href=\"/dashboard/style.css\">\n\
         <main class=\"alone\"><h1>Portward</h1><p>{said}</p></main>\n</html>\n"
    )
}

/// The answer with permission to use the dashboard's style.
fn styled(answer: Answer) -> Answer {
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    answer.with(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))
}

fn with_session(asked: &Asked<'_>, (client, is_tls): (SocketAddr, bool), id: &str, answer: Answer) -> Answer {
    let text = format!("administration: a session begins, from {client}");
    asked.shared.note(Level::Info, &text);
    answer.with_some(set_cookie(id, SESSION.as_secs(), is_tls))
}

fn log_out(asked: &Asked<'_>, is_tls: bool) -> Answer {
    let sessions = &asked.access.sessions;
    let ended = access::cookies(&asked.head.headers, is_tls).filter(|id| sessions.end(id)).count();
    let answer = Answer::ok(&json!({ "ended": ended }));
    answer.with_some(set_cookie("", 0, is_tls))
}

fn set_cookie(id: &str, seconds: u64, is_tls: bool) -> Option<(HeaderName, HeaderValue)> {
    let (name, secure) = (access::cookie_name(is_tls), if is_tls { "; Secure" } else { "" });
    let text = format!("{name}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some((SET_COOKIE, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link leads to a name and port at which the port can be called, and to a name that a certificate can cover.
    #[test]
    fn issue_23_item_3_a_link_calls_the_port_as_a_browser_can() {
        for (listen, names, is_tls, shown) in [
            ("127.0.0.1:9400", &[][..], false, "127.0.0.1:9400"),
            ("127.0.0.1:9400", &["portward.example.net"], false, "127.0.0.1:9400"),
            ("127.0.0.1:9400", &["portward.example.net"], true, "portward.example.net:9400"),
            ("[::1]:9400", &[], false, "[::1]:9400"),
            ("[2001:db8::1]:443", &[], true, "[2001:db8::1]:443"),
            ("0.0.0.0:9400", &[], false, "localhost:9400"),
            ("[::]:9400", &[], true, "localhost:9400"),
            ("[::]:9400", &["2001:db8::2"], false, "[2001:db8::2]:9400"),
            ("0.0.0.0:9400", &["192.0.2.9", "portward.example.net"], true, "192.0.2.9:9400"),
        ] {
            let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
            assert_eq!(shown_host(listen.parse().unwrap(), &names, is_tls), shown, "{listen} {names:?}");
        }
    }
}

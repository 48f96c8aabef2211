//! `/v1/token`: the token of the port, for clients on the socket. `?read=1` is the token that only reads.

use hyper::{Method, StatusCode};
use serde_json::json;

use super::{Answer, Asked};
use crate::admin::query::Query;
use crate::log::Level;
use crate::state::tokens::TokenRights;

/// GET shows the token. POST replaces it and ends all sessions.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    let read =
        |query: Query| query.value("read", "0 or 1", |text| ["0", "1"].iter().position(|one| *one == text));
    let rights = match Query::of(&asked.head.uri, &["read"]).and_then(read) {
        Ok(Some(1)) => TokenRights::Read,
        Ok(_) => TokenRights::Change,
        Err(why) => return Answer::bad(why),
    };
    let tokens = &asked.shared.admin_tokens;
    let state = &asked.shared.snapshot.load().config.state;
    let is_new = asked.head.method == Method::POST;
    let token = if is_new { tokens.renew(rights, state) } else { tokens.show(rights, state) };
    match token {
        Ok(token) => {
            if is_new {
                asked.access.sessions.end_all();
                let which =
                    if rights == TokenRights::Read { "admin token that only reads" } else { "admin token" };
                let text = format!("{} replaces the {which}; all sessions end", asked.by());
                asked.shared.note(Level::Info, &text);
            }
            Answer::ok(&json!({ "token": *token }))
        }
        Err(error) => {
            let why =
                format!("the token cannot be kept in {}: {error}; nothing has changed", state.display());
            Answer::wrong(StatusCode::INTERNAL_SERVER_ERROR, &why)
        }
    }
}

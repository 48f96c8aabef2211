//! The rows of the tables: the octets, the expected outcome, and its source.

/// The path of every row. NNNNN is replaced by the number of the run, so that arriving requests can be told apart.
pub const PATH: &str = "/open/NNNNN";
/// A request that no rule allows. A target may see it only within a body.
pub const HIDDEN: &str = "GET /hidden/NNNNN HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
/// A request that the rules allow.
pub const SECOND: &str = "GET /open/NNNNN/second HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
/// The usual Host line.
pub const HOST: &str = "Host: one.example.net\r\n";

/// A line of the table.
pub struct Row {
    /// The description.
    pub what: String,
    /// The source of the outcome.
    pub rfc: &'static str,
    /// The bytes.
    pub sent: Vec<u8>,
    /// The expected outcome.
    pub outcome: Outcome,
}

/// The outcome of a row.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The connection is closed without an answer, the log has this reason, and no target sees anything.
    Refused(&'static str),
    /// 404: the host is known, the path is not. No target sees anything.
    NotFound,
    /// Exactly these requests arrive, complete, and the next request behind them arrives, too.
    Passes(Vec<Arrives>),
    /// These requests arrive. The octets after them close the connection with this reason, and no target sees them.
    PassesThen(Vec<Arrives>, &'static str),
    /// The request's head may arrive, but its body never ends there: the framing is broken, and the connections are
    /// closed.
    Broken,
    /// The same, because the client ends in the middle.
    Incomplete,
}

/// A request that must arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrives {
    /// The method.
    pub method: String,
    /// The target.
    pub path: String,
    /// The body.
    pub body: String,
}

/// A row.
pub fn row(what: &str, rfc: &'static str, sent: impl AsRef<[u8]>, outcome: Outcome) -> Row {
    Row { what: what.to_owned(), rfc, sent: sent.as_ref().to_vec(), outcome }
}

/// `malformed`, the usual reason.
pub fn malformed() -> Outcome {
    Outcome::Refused("malformed")
}

/// One request with [`PATH`].
pub fn one(method: &str, body: &str) -> Outcome {
    Outcome::Passes(vec![arrives(method, PATH, body)])
}

/// A request and [`SECOND`].
pub fn two(method: &str, body: &str) -> Outcome {
    Outcome::Passes(vec![arrives(method, PATH, body), arrives("GET", "/open/NNNNN/second", "")])
}

/// A request that must arrive, with these parts.
pub fn arrives(method: &str, path: &str, body: &str) -> Arrives {
    Arrives { method: method.to_owned(), path: path.to_owned(), body: body.to_owned() }
}

/// A GET with these lines after Host.
pub fn get(lines: &str) -> String {
    format!("GET {PATH} HTTP/1.1\r\n{HOST}{lines}\r\n")
}

/// A POST with these lines after Host, and a body.
pub fn post(lines: &str, body: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\n{HOST}{lines}\r\n{body}")
}

/// A chunked POST.
pub fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A POST with [`HIDDEN`] as its body. This Content-Length line and these other lines frame the body.
pub fn hiding(lines: &str) -> String {
    post(&lines.replace("LENGTH", &HIDDEN.len().to_string()), HIDDEN)
}

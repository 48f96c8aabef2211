//! `/`: what there is, for whoever looks.

use hyper::StatusCode;

use super::Answer;

const TEXT: &str = "\
Portward, administration

/v1/…      the API: JSON, with `Authorization: Bearer TOKEN`
/metrics   for Prometheus

`portward admin token` on the machine itself shows the token.
The dashboard page is not in this build yet.
";

/// Answers it.
pub(super) fn answer() -> Answer {
    Answer::whole(StatusCode::OK, "text/plain; charset=utf-8", TEXT)
}

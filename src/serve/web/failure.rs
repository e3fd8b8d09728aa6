//! Errors of the Connect protocol: a status of HTTP, and a body of JSON with `code`, `message` and `details`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use prost::Message as _;
use serde_json::{Map, Value as Json, json};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The answer of a call that failed.
pub fn response(status: &Status) -> Response<Body> {
    let (code, http) = code(status.code());
    let mut body = Map::from_iter([("code".into(), code.into()), ("message".into(), status.message().into())]);
    let details = details(status);
    if !details.is_empty() {
        body.insert("details".into(), details.into());
    }
    let mut response = Response::new(Body::new(Full::new(Json::Object(body).to_string().into())));
    *response.status_mut() = http;
    // For the counts of calls.
    response.extensions_mut().insert(status.code());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The details: the bytes for programs, and for people what is in them.
fn details(status: &Status) -> Vec<Json> {
    let Ok(carried) = tonic_types::pb::Status::decode(status.details()) else { return Vec::new() };
    let known = status.get_error_details();
    let debug = |kind: &str| match kind {
        "google.rpc.ErrorInfo" => known.error_info().map(|info| json!({"reason": info.reason, "domain": info.domain})),
        "google.rpc.BadRequest" => known.bad_request().map(|bad| {
            let violation =
                |found: &tonic_types::FieldViolation| json!({"field": found.field, "description": found.description});
            json!({"fieldViolations": bad.field_violations.iter().map(violation).collect::<Vec<_>>()})
        }),
        "google.rpc.RetryInfo" => known
            .retry_info()
            .and_then(|info| info.retry_delay)
            .map(|delay| json!({"retryDelay": format!("{}s", delay.as_secs_f64())})),
        _ => None,
    };
    let detail = |any: &prost_types::Any| {
        let kind = any.type_url.rsplit('/').next().unwrap_or_default();
        let value = STANDARD_NO_PAD.encode(&any.value);
        let mut detail = Map::from_iter([("type".into(), kind.into()), ("value".into(), value.into())]);
        if let Some(debug) = debug(kind) {
            detail.insert("debug".into(), debug);
        }
        Json::Object(detail)
    };
    carried.details.iter().map(detail).collect()
}

/// The name of a code, and the status of HTTP that goes with it.
fn code(code: Code) -> (&'static str, StatusCode) {
    match code {
        Code::Ok | Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Cancelled => ("canceled", StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
    }
}

//! Which pages may call: the origins that the operator lists. What has no origin is no page.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, Response, StatusCode};
use tonic::body::Body;

/// What a page may send.
const MAY_SEND: &str = "authorization, connect-protocol-version, connect-timeout-ms, content-encoding, content-type, \
                        grpc-timeout, sec-gpc, traceparent, x-grpc-web, x-user-agent";
/// What a page may read.
const MAY_READ: &str = "grpc-message, grpc-status, grpc-status-details-bin";
/// For how many seconds a browser may remember the answer; Chrome remembers no longer.
const MAX_AGE: &str = "7200";

/// The origins whose pages may call.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Each as browsers write it, such as `https://shop.example`.
    pub allowed: Vec<HeaderValue>,
    /// Whether pages may call with tokens that are not bound to one customer.
    pub unbound: bool,
}

/// Whether a browser asks what a page may do.
pub fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Origins {
    /// The origin of a page that may call; `None` for what is no page.
    ///
    /// # Errors
    /// When the page may not call.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, StatusCode> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(None) };
        if self.allowed.contains(origin) { Ok(Some(origin.clone())) } else { Err(StatusCode::FORBIDDEN) }
    }
}

/// The answer to a browser that asks what a page may do.
pub fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(MAY_SEND));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    response
}

/// Lets a page read an answer.
pub fn allow(origin: HeaderValue, mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(MAY_READ));
    headers.append(VARY, HeaderValue::from_static("origin"));
    response
}

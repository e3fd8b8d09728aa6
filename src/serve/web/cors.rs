//! Which pages may call: the origins that the operator lists. A request without an origin is not from a page.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderValue, ORIGIN,
    VARY,
};
use http::uri::Authority;
use http::{HeaderMap, Request, Response, StatusCode};
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
    /// The origin of a page that may call; `None` for what is not a page, and for the server's own pages. `knows_callers`:
    /// whether calls need a token.
    ///
    /// # Errors
    /// When the page may not call.
    pub fn admit<B>(&self, request: &Request<B>, knows_callers: bool) -> Result<Option<HeaderValue>, StatusCode> {
        let Some(origin) = request.headers().get(ORIGIN) else { return Ok(None) };
        match origin {
            listed if self.allowed.contains(listed) => Ok(Some(listed.clone())),
            own if is_own(own, request, knows_callers) => Ok(None),
            _ => Err(StatusCode::FORBIDDEN),
        }
    }
}

/// Whether a page comes from this server. Without tokens, the server must be reached by a name of this machine: any page
/// can give its own name the address of this machine, and would then be of the same origin.
fn is_own<B>(origin: &HeaderValue, request: &Request<B>, knows_callers: bool) -> bool {
    let named = || request.headers().get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let Some(server) = request.uri().authority().cloned().or_else(named) else { return false };
    let host = server.host().trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let origin = origin.to_str().unwrap_or_default();
    let page = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    (here || knows_callers) && page == Some(server.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_this_server_is_its_own() {
        let own = |host: &str, origin: &str, knows_callers| {
            let request = Request::post("/a.B/C").header(HOST, host).header(ORIGIN, origin).body(()).unwrap();
            Origins::default().admit(&request, knows_callers).is_ok()
        };
        for host in ["127.0.0.1:50051", "localhost:50051", "[::1]:50051"] {
            assert!(own(host, &format!("http://{host}"), false), "{host}");
            assert!(!own(host, "http://127.0.0.1:3000", false) && !own(host, "null", false));
        }
        assert!(!own("evil.example:50051", "http://evil.example:50051", false), "a name that was given this address");
        assert!(own("tactful.example", "https://tactful.example", true));
        assert!(!own("tactful.example", "https://shop.example", true));
    }
}

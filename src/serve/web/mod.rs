//! Calls that are not plain gRPC: gRPC-Web, the Connect protocol's unary calls with JSON or protocol buffers, and what a
//! browser asks before them. Each is translated, and then answered like any other call.

mod compression;
pub mod connect;
pub mod console;
pub mod cors;
mod failure;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;

use self::connect::Form;

/// What a person gets who opens the address in a browser.
const ABOUT: &str = concat!(
    "Tactful ",
    env!("CARGO_PKG_VERSION"),
    "\n\n\
     This port answers gRPC, gRPC-Web and the Connect protocol, such as\n\n  \
     curl -H 'content-type: application/json' -d '{\"customerId\": \"anna\", \"channel\": \"web\"}' \\\n    \
     http://127.0.0.1:50051/tactful.v1.DecisionService/Decide\n\n\
     The console for people is at /console/.\n"
);

/// What a request speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// gRPC over HTTP/2.
    #[default]
    Grpc,
    /// gRPC-Web, over any version of HTTP.
    GrpcWeb,
    /// A unary call of the Connect protocol.
    Connect(Form),
    /// The question of a browser whether a page may call.
    Preflight,
    /// The page that says what this is.
    About,
    /// A page of the console.
    Page,
    /// Anything else, with the status that refuses it.
    Other(StatusCode),
}

impl Kind {
    /// What a request speaks, by its method and `content-type`.
    pub fn of<B>(request: &Request<B>) -> Self {
        match *request.method() {
            Method::POST => Self::of_call(request),
            Method::OPTIONS if cors::is_preflight(request.headers()) => Self::Preflight,
            Method::GET if request.uri().path() == "/" => Self::About,
            Method::GET if console::is_page(request.uri().path()) => Self::Page,
            Method::GET if request.uri().path().matches('/').count() != 2 => Self::Other(StatusCode::NOT_FOUND),
            _ => Self::Other(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn of_call<B>(request: &Request<B>) -> Self {
        let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
        match kind {
            b"application/grpc" | b"application/grpc+proto" if request.version() == Version::HTTP_2 => Self::Grpc,
            b"application/grpc-web"
            | b"application/grpc-web+proto"
            | b"application/grpc-web-text"
            | b"application/grpc-web-text+proto" => Self::GrpcWeb,
            b"application/json" => Self::Connect(Form::Json),
            b"application/proto" => Self::Connect(Form::Proto),
            _ => Self::Other(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        }
    }

    /// A refusal in the words of what the request speaks.
    pub fn refusal(self, status: &Status) -> Response<Body> {
        match self {
            Self::Connect(_) => failure::response(status),
            Self::GrpcWeb => {
                let mut response = status.clone().into_http();
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc-web+proto"));
                response
            }
            _ => status.clone().into_http(),
        }
    }
}

/// The page that says what this is.
pub fn about() -> Response<Body> {
    text(StatusCode::OK, ABOUT)
}

/// The answer to what is not a call.
pub fn not_a_call(status: StatusCode) -> Response<Body> {
    let text_of = match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "send `content-type: application/json` or `application/proto` (Connect), `application/grpc-web+proto`, or \
             `application/grpc` over HTTP/2\n"
        }
        StatusCode::METHOD_NOT_ALLOWED => "calls are sent with POST\n",
        StatusCode::FORBIDDEN => "pages of this origin may not call; --allow-origin names those that may\n",
        _ => "there is nothing here\n",
    };
    text(status, text_of)
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_speaks_is_in_its_content_type() {
        let kind = |version: Version, content: &str| {
            let request = Request::post("/tactful.v1.DecisionService/Decide").version(version);
            Kind::of(&request.header(CONTENT_TYPE, content).body(()).unwrap())
        };
        let two = |content: &str| kind(Version::HTTP_2, content);
        assert_eq!(two("application/grpc"), Kind::Grpc);
        assert_eq!(two("application/grpc+proto"), Kind::Grpc);
        assert_eq!(two("application/grpc-web-text"), Kind::GrpcWeb);
        assert_eq!(two("application/json; charset=utf-8"), Kind::Connect(Form::Json));
        assert_eq!(two("application/proto"), Kind::Connect(Form::Proto));
        assert_eq!(kind(Version::HTTP_11, "application/grpc-web+proto"), Kind::GrpcWeb);
        let refused = Kind::Other(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        for content in ["", "text/plain", "application/grpc+json", "application/jsonx", "application/connect+json"] {
            assert_eq!(two(content), refused, "{content}");
        }
        assert_eq!(kind(Version::HTTP_11, "application/grpc"), refused);
    }

    #[test]
    fn what_is_not_posted_is_no_call() {
        let kind = |method: &str, path: &str| Kind::of(&Request::builder().method(method).uri(path).body(()).unwrap());
        assert_eq!(kind("GET", "/"), Kind::About);
        assert_eq!(kind("GET", "/console/"), Kind::Page);
        assert_eq!(kind("GET", "/favicon.ico"), Kind::Other(StatusCode::NOT_FOUND));
        assert_eq!(kind("GET", "/a.B/C"), Kind::Other(StatusCode::METHOD_NOT_ALLOWED));
        assert_eq!(kind("OPTIONS", "/a.B/C"), Kind::Other(StatusCode::METHOD_NOT_ALLOWED));
    }
}

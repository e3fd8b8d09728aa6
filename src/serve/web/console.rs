//! The console: the pages built into `web/dist`, which are part of the binary.
//!
//! Nothing in them is secret: what they show they ask of the services, with the token of the person who reads them.

use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use tonic::body::Body;

use super::compression::{WORTH, compress, mentions_gzip};
use super::cors::Origins;

/// Where the pages are.
const FOLDER: &str = "/console";
/// A page may load from its own server alone, run no script of its markup and post to no one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// Settings of the browser that have no name in the library.
const ISOLATION: [(&str, &str); 2] =
    [("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")];

/// Who a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Those who may reach the methods for operators.
    Operator,
    /// Anyone; pages of the listed origins may embed it.
    Anyone,
}

/// A file of `web/dist`.
#[derive(Debug)]
struct File {
    name: &'static str,
    kind: &'static str,
    reader: Reader,
    bytes: &'static [u8],
    /// Computed when it is first sent.
    tag: OnceLock<HeaderValue>,
    gzip: OnceLock<Option<Bytes>>,
}

macro_rules! file {
    ($name:literal, $kind:literal, $reader:ident) => {
        File {
            name: $name,
            kind: $kind,
            reader: Reader::$reader,
            bytes: include_bytes!(concat!("../../../web/dist/", $name)),
            tag: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    };
}

static FILES: LazyLock<[File; 7]> = LazyLock::new(|| {
    [
        file!("index.html", "text/html; charset=utf-8", Operator),
        file!("console.js", "text/javascript; charset=utf-8", Operator),
        file!("console.css", "text/css; charset=utf-8", Operator),
        file!("card.html", "text/html; charset=utf-8", Anyone),
        file!("card.js", "text/javascript; charset=utf-8", Anyone),
        file!("card.css", "text/css; charset=utf-8", Anyone),
        file!("icon.svg", "image/svg+xml", Anyone),
    ]
});

impl File {
    fn tag(&self) -> Option<&HeaderValue> {
        if self.tag.get().is_none() {
            let hash: String = Sha256::digest(self.bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            drop(HeaderValue::try_from(format!("\"{hash}\"")).map(|tag| self.tag.set(tag)));
        }
        self.tag.get()
    }

    fn gzip(&self) -> Option<&Bytes> {
        let packed = || Some(self.bytes).filter(|bytes| bytes.len() >= WORTH).and_then(|bytes| compress(bytes).ok());
        self.gzip.get_or_init(packed).as_ref()
    }
}

/// Whether a path is one of the console.
pub fn is_page(path: &str) -> bool {
    path.strip_prefix(FOLDER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request for a page. `privileged`: whether methods for operators are answered on this connection.
pub fn answer<B>(request: &Request<B>, origins: &Origins, privileged: bool) -> Response<Body> {
    let Some(name) = request.uri().path().strip_prefix("/console/") else { return moved() };
    let name = if name.is_empty() { "index.html" } else { name };
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return super::not_a_call(StatusCode::NOT_FOUND);
    };
    if file.reader == Reader::Operator && !privileged {
        return super::text(StatusCode::NOT_FOUND, "the console is on the admin listener (--admin-listen)\n");
    }
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), file, origins);
    if let Some(tag) = file.tag() {
        response.headers_mut().insert(ETAG, tag.clone());
        let known = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok());
        let tag = tag.to_str().unwrap_or_default();
        if known.flat_map(|known| known.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
    }
    let packed = file.gzip().filter(|_| mentions_gzip(request.headers(), &ACCEPT_ENCODING));
    if packed.is_some() {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let body = packed.cloned().unwrap_or_else(|| Bytes::from_static(file.bytes));
    *response.body_mut() = Body::new(Full::new(body));
    response
}

fn moved() -> Response<Body> {
    let mut response = super::text(StatusCode::PERMANENT_REDIRECT, "the console is at /console/\n");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/console/"));
    response
}

fn describe(headers: &mut HeaderMap, file: &File, origins: &Origins) {
    let framed_by = match file.reader {
        Reader::Operator => "'none'".to_owned(),
        Reader::Anyone => {
            let listed = origins.allowed.iter().filter_map(|origin| origin.to_str().ok());
            std::iter::once("'self'").chain(listed).collect::<Vec<_>>().join(" ")
        }
    };
    if let Ok(policy) = HeaderValue::try_from(format!("{POLICY}; frame-ancestors {framed_by}")) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for (name, value) in ISOLATION {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist");
        let mut built: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let mut served: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        built.sort_unstable();
        served.sort_unstable();
        assert_eq!(built, served);
    }

    #[test]
    fn the_console_is_a_folder() {
        assert!(is_page("/console") && is_page("/console/") && is_page("/console/console.js"));
        assert!(!is_page("/consoles") && !is_page("/"));
    }
}

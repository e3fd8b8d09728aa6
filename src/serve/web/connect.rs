//! Unary calls of the Connect protocol: the body is one message, as JSON or as protocol buffers. Each becomes a call of
//! gRPC within this process, and its answer is translated back.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor};
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::service::Routes;
use tonic::{Code, Status};

use super::compression::{WORTH, compress, decompress, mentions_gzip};
use super::failure;
use crate::grpc::status::refusal;

/// The most bytes of one message, as in gRPC.
const MOST: usize = 4 * 1024 * 1024;
/// How long the head of a message is in gRPC: whether it is compressed, and its length.
const HEAD: usize = 5;
/// Headers that belong to the connection or to the form of the body, and are not handed on.
const NOT_HANDED_ON: [HeaderName; 8] =
    [ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING];

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As JSON, in the mapping of protocol buffers.
    Json,
    /// As protocol buffers.
    Proto,
}

/// Answers a call.
pub async fn unary(routes: Routes, method: MethodDescriptor, form: Form, request: Request<Incoming>) -> Response<Body> {
    answer(routes, method, form, request).await.unwrap_or_else(|status| failure::response(&status))
}

async fn answer(
    mut routes: Routes,
    method: MethodDescriptor,
    form: Form,
    request: Request<Incoming>,
) -> Result<Response<Body>, Status> {
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(Status::unimplemented("streams are answered over gRPC, and over gRPC-Web those of the server"));
    }
    let (parts, body) = request.into_parts();
    let body = plain(&parts.headers, whole(body).await?)?;
    let message = match form {
        Form::Json => from_json(method.input(), &body)?,
        Form::Proto => body,
    };
    let accepts_gzip = mentions_gzip(&parts.headers, &ACCEPT_ENCODING);
    let mut call = Request::from_parts(parts, Body::new(Full::new(framed(&message)?)));
    *call.version_mut() = Version::HTTP_2;
    for name in NOT_HANDED_ON {
        call.headers_mut().remove(name);
    }
    call.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    call.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    let Ok(response) = routes.call(call).await;
    let message = outcome(response).await?;
    let (kind, body) = match form {
        Form::Json => ("application/json", to_json(method.output(), message)?),
        Form::Proto => ("application/proto", message),
    };
    let compressed = if accepts_gzip && body.len() >= WORTH { compress(&body).ok() } else { None };
    let encoding = compressed.as_ref().map(|_| HeaderValue::from_static("gzip"));
    let mut response = Response::new(Body::new(Full::new(compressed.unwrap_or(body))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(encoding) = encoding {
        response.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    Ok(response)
}

/// The whole body, within the limit.
async fn whole(body: Incoming) -> Result<Bytes, Status> {
    let collected = Limited::new(body, MOST).collect().await;
    let body = collected.map_err(|error| {
        if error.is::<LengthLimitError>() { too_large() } else { Status::cancelled("the body ended early") }
    });
    Ok(body?.to_bytes())
}

fn too_large() -> Status {
    refusal(Code::OutOfRange, "MESSAGE_TOO_LARGE", "a message may have at most 4 MiB")
}

/// The body without compression.
fn plain(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Status> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") => {
            let plain = decompress(&body, MOST);
            plain.map_err(|_| invalid("the body is not gzip, as its `content-encoding` says"))?.ok_or_else(too_large)
        }
        Some(_) => Err(Status::unimplemented("the only `content-encoding` is gzip")),
    }
}

fn invalid(message: &str) -> Status {
    refusal(Code::InvalidArgument, "INVALID_REQUEST", message)
}

/// The bytes of a message from its JSON. A key that the message does not have is an error.
fn from_json(kind: MessageDescriptor, json: &[u8]) -> Result<Bytes, Status> {
    use prost::Message as _;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(kind, &mut reader, &options);
    let message = message.and_then(|message| reader.end().map(|()| message));
    let message = message.map_err(|error| invalid(&format!("the body is not JSON of this request: {error}")))?;
    Ok(message.encode_to_vec().into())
}

fn to_json(kind: MessageDescriptor, message: Bytes) -> Result<Bytes, Status> {
    let message = DynamicMessage::decode(kind, message).ok();
    let json = message.and_then(|message| serde_json::to_vec(&message).ok());
    json.map(Into::into).ok_or_else(|| Status::internal("the answer cannot be written as JSON"))
}

/// A message as it is in the body of gRPC.
fn framed(message: &[u8]) -> Result<Bytes, Status> {
    let length = u32::try_from(message.len()).map_err(|_| too_large())?;
    let mut body = BytesMut::with_capacity(HEAD + message.len());
    body.put_u8(0);
    body.put_u32(length);
    body.put_slice(message);
    Ok(body.freeze())
}

/// The message of an answer, or its status if that is not OK.
async fn outcome(response: Response<Body>) -> Result<Bytes, Status> {
    let (parts, body) = response.into_parts();
    let failed = |headers: &HeaderMap| Status::from_header_map(headers).filter(|status| status.code() != Code::Ok);
    if let Some(status) = failed(&parts.headers) {
        return Err(status);
    }
    let collected = body.collect().await?;
    if let Some(status) = collected.trailers().and_then(failed) {
        return Err(status);
    }
    let body = collected.to_bytes();
    if body.len() < HEAD { Err(Status::internal("the answer has no message")) } else { Ok(body.slice(HEAD..)) }
}

//! HTTP/2 as bytes: just enough to make unary calls and to see how each was answered.

use std::time::Duration;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;

/// Appends a frame.
pub fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// What a client begins with: windows that never fill.
pub fn greeting() -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let initial_window = [&[0, 4][..], &0x7fff_0000_u32.to_be_bytes()].concat();
    frame(&mut out, SETTINGS, 0, 0, &initial_window);
    frame(&mut out, WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    out
}

fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        block.push(u8::try_from(text.len()).unwrap());
        block.extend(text.as_bytes());
    }
}

/// Appends a call.
pub fn call(out: &mut Vec<u8>, stream: u32, path: &str, timeout: Duration, message: &[u8]) {
    // :method POST and :scheme http of the static table, then :path as a literal with the name of its entry 4.
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    literal(&mut block, "te", "trailers");
    literal(&mut block, "content-type", "application/grpc");
    literal(&mut block, "grpc-timeout", &format!("{}u", timeout.as_micros().min(99_999_999)));
    frame(out, HEADERS, END_HEADERS, stream, &block);
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    frame(out, DATA, END_STREAM, stream, &body);
}

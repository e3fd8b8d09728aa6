//! gzip of whole bodies, within a limit.

use std::io::{self, Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::HeaderName;

/// Bodies shorter than this are not compressed: they fit one packet anyway.
pub const WORTH: usize = 1_024;

/// Whether a header lists gzip.
pub fn mentions_gzip(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.split(';').next().unwrap_or_default().trim() == "gzip")
}

/// Decompresses at most `limit` bytes; `None` if there are more.
///
/// # Errors
/// When the bytes are no gzip.
pub fn decompress(bytes: &[u8], limit: usize) -> io::Result<Option<Bytes>> {
    let mut plain = Vec::new();
    let read = GzDecoder::new(bytes).take(limit as u64 + 1).read_to_end(&mut plain)?;
    Ok((read <= limit).then(|| plain.into()))
}

/// Compresses a body.
///
/// # Errors
/// Never: it writes to memory.
pub fn compress(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_within_the_limit() {
        let body = vec![7; 100_000];
        let small = compress(&body).unwrap();
        assert!(small.len() < 1_000);
        assert_eq!(decompress(&small, body.len()).unwrap().unwrap(), body);
        assert_eq!(decompress(&small, body.len() - 1).unwrap(), None);
        assert!(decompress(b"no gzip", 10).is_err());
    }
}

//! Frames as they follow one another through the segments: what reads them has this check them.

use std::path::{Path, PathBuf};

use super::OpenError;
use super::frame::{self, Found, Header, Link};

/// Where a chain of frames has come to.
#[derive(Debug)]
pub struct Chain {
    next: u64,
    /// The hash of the frame before; nothing where reading began in the middle.
    previous: Option<Link>,
}

/// A frame that was read.
pub struct Seen<'b> {
    /// In which file it stands.
    pub file: &'b Path,
    /// At which byte.
    pub offset: usize,
    /// How many bytes it takes.
    pub size: usize,
    /// What it says besides its payload.
    pub header: Header,
    /// What it holds.
    pub payload: &'b [u8],
}

/// The frames of one segment.
pub struct Frames<'c, 'b> {
    chain: &'c mut Chain,
    file: &'b Path,
    bytes: &'b [u8],
    offset: usize,
}

impl Chain {
    /// The chain from its first frame on.
    pub fn from_start() -> Self {
        Self { next: 1, previous: Some(Link::default()) }
    }

    /// The chain from the frame at a position on, whatever came before it.
    pub fn from_middle(position: u64) -> Self {
        Self { next: position, previous: None }
    }

    /// The hash of the last frame; zeros if there was none.
    pub fn last(&self) -> Link {
        self.previous.unwrap_or_default()
    }

    /// The frames of the next segment, which is named after this position.
    ///
    /// # Errors
    /// When it is not the next.
    pub fn segment<'c, 'b>(
        &'c mut self,
        file: &'b Path,
        first: u64,
        bytes: &'b [u8],
    ) -> Result<Frames<'c, 'b>, OpenError> {
        if first != self.next {
            return Err(self.damaged(file, 0, "a segment before it is missing, or it has the name of another"));
        }
        Ok(Frames { chain: self, file, bytes, offset: 0 })
    }

    fn damaged(&self, file: &Path, at: usize, what: &'static str) -> OpenError {
        OpenError::Damaged { path: PathBuf::from(file), at, records: self.next - 1, what }
    }
}

impl Seen<'_> {
    /// Says that it is not as it was written.
    pub fn damaged(&self, what: &'static str) -> OpenError {
        OpenError::Damaged { path: self.file.to_owned(), at: self.offset, records: self.header.position - 1, what }
    }
}

impl<'b> Frames<'_, 'b> {
    /// The next frame; nothing where whole frames end.
    ///
    /// # Errors
    /// When it is not as it was written, or does not follow the one before.
    pub fn next(&mut self) -> Result<Option<Seen<'b>>, OpenError> {
        let (header, previous, link, length) = match frame::read(self.bytes, self.offset) {
            Found::End | Found::Torn => return Ok(None),
            Found::Damaged(what) => return Err(self.damaged(what)),
            Found::Frame { header, previous, link, length } => (header, previous, link, length),
        };
        if header.position != self.chain.next || self.chain.previous.is_some_and(|expected| expected != previous) {
            return Err(self.damaged("a frame does not follow the one before it"));
        }
        let (offset, size) = (self.offset, frame::size(length));
        let whole = self.bytes.get(offset..offset + size);
        let payload = whole.and_then(|frame| frame.get(frame::payload(length))).unwrap_or(&[]);
        (self.chain.next, self.chain.previous) = (header.position + 1, Some(link));
        self.offset += size;
        Ok(Some(Seen { file: self.file, offset, size, header, payload }))
    }

    /// Where whole frames end, and what of a frame that was never finished stands behind them.
    ///
    /// # Errors
    /// When there is such a frame, and later segments.
    pub fn end(self, is_last: bool) -> Result<(usize, &'b [u8]), OpenError> {
        match self.bytes.get(self.offset..).unwrap_or(&[]) {
            [] => Ok((self.offset, &[])),
            rest if is_last => Ok((self.offset, rest)),
            _ => Err(self.damaged("a frame ends early, and there are later segments")),
        }
    }

    fn damaged(&self, what: &'static str) -> OpenError {
        self.chain.damaged(self.file, self.offset, what)
    }
}

//! Reads the hash chain of frames through the segments, and checks each link. Parts of a segment can be read in
//! parallel, each without the frames before it, and are then joined in order.

use std::path::{Path, PathBuf};

use super::OpenError;
use super::frame::{self, FrameRead, Header, Link};

const BROKEN_LINK: &str = "a frame does not follow the one before it";

/// The end of the chain so far.
#[derive(Debug, Clone, Copy)]
pub struct Chain {
    next: u64,
    /// The hash of the previous frame; `None` if it was not read.
    previous: Option<Link>,
}

/// A frame in a file that was read.
pub struct FrameRef<'b> {
    /// The file of its segment.
    pub file: &'b Path,
    /// The first byte of the frame in the file.
    pub offset: usize,
    /// The length of the frame in bytes.
    pub size: usize,
    /// The frame without its payload.
    pub header: Header,
    /// The payload, encrypted unless the frame is an erasure.
    pub payload: &'b [u8],
}

/// Reads the frames of one segment, or of a part of it.
pub struct Frames<'b> {
    chain: Chain,
    file: &'b Path,
    /// The whole segment.
    bytes: &'b [u8],
    /// The bytes of the part, of which those before `offset` were read.
    start: usize,
    offset: usize,
    end: usize,
    /// The previous hash in the first frame of the part.
    follows: Option<Link>,
}

impl Chain {
    /// The chain before the first frame.
    pub fn from_start() -> Self {
        Self { next: 1, previous: Some(Link::default()) }
    }

    /// The chain before the frame at a position, whose previous hash is not checked.
    pub fn from_position(position: u64) -> Self {
        Self { next: position, previous: None }
    }

    /// The hash of the last frame; zeros if there is none.
    pub fn last(&self) -> Link {
        self.previous.unwrap_or_default()
    }

    /// The frames of the next segment. `first` is the position in its file name.
    ///
    /// # Errors
    /// When it is not the next segment.
    pub fn segment<'b>(self, file: &'b Path, first: u64, bytes: &'b [u8]) -> Result<Frames<'b>, OpenError> {
        if first != self.next {
            return Err(self.damaged(file, 0, "a segment before it is missing, or it has the name of another"));
        }
        Ok(Frames { chain: self, file, bytes, start: 0, offset: 0, end: bytes.len(), follows: None })
    }

    fn check(&self, follows: Link) -> Result<(), &'static str> {
        if self.previous.is_none_or(|previous| previous == follows) { Ok(()) } else { Err(BROKEN_LINK) }
    }

    fn damaged(&self, file: &Path, at: usize, what: &'static str) -> OpenError {
        OpenError::Damaged { path: PathBuf::from(file), at, records: self.next - 1, what }
    }
}

impl FrameRef<'_> {
    /// The error that this frame is damaged.
    pub fn damaged(&self, what: &'static str) -> OpenError {
        OpenError::Damaged { path: self.file.to_owned(), at: self.offset, records: self.header.position - 1, what }
    }
}

impl<'b> Frames<'b> {
    /// Splits the frames into at most `count` parts of about the same size, to be read in parallel. The lengths in the
    /// frames are trusted here, and checked when the parts are joined.
    pub fn split(&self, count: usize) -> Vec<Self> {
        let share = (self.end - self.offset).div_ceil(count.max(1)).max(1);
        let (mut parts, mut offset, mut position) = (Vec::with_capacity(count), self.offset, self.chain.next);
        loop {
            let (start, chain) = (offset, Chain::from_position(position));
            while offset < self.end && offset - start < share {
                offset += frame::size_at(self.bytes, offset);
                position += 1;
            }
            let end = offset.min(self.end);
            parts.push(Self { chain, file: self.file, bytes: self.bytes, start, offset: start, end, follows: None });
            if end == self.end {
                return parts;
            }
        }
    }

    /// Continues after a part that was read. Returns whether the part begins here: after a torn or damaged frame it
    /// does not, and later parts are meaningless.
    ///
    /// # Errors
    /// When the first frame of the part does not follow the last one here.
    pub fn join(&mut self, part: &Self) -> Result<bool, OpenError> {
        if part.start != self.offset {
            return Ok(false);
        }
        if let Some(follows) = part.follows {
            self.chain.check(follows).map_err(|what| self.damaged(what))?;
            (self.chain, self.offset) = (part.chain, part.offset);
        }
        Ok(true)
    }

    /// The next frame; `None` at the end of the part, or at a torn frame.
    ///
    /// # Errors
    /// When the frame is damaged, or does not follow the one before.
    pub fn next(&mut self) -> Result<Option<FrameRef<'b>>, OpenError> {
        if self.offset == self.end {
            return Ok(None);
        }
        let (header, previous, link, length) = match frame::read(self.bytes, self.offset) {
            FrameRead::End | FrameRead::Torn => return Ok(None),
            FrameRead::Damaged(what) => return Err(self.damaged(what)),
            FrameRead::Newer(found) => return Err(self.newer(found)),
            FrameRead::Frame { header, previous, link, length } => (header, previous, link, length),
        };
        let follows = if header.position == self.chain.next { self.chain.check(previous) } else { Err(BROKEN_LINK) };
        follows.map_err(|what| self.damaged(what))?;
        self.follows.get_or_insert(previous);
        let (offset, size) = (self.offset, frame::size(length));
        let whole = self.bytes.get(offset..offset + size);
        let payload = whole.and_then(|frame| frame.get(frame::payload(length))).unwrap_or(&[]);
        (self.chain.next, self.chain.previous) = (header.position + 1, Some(link));
        self.offset += size;
        Ok(Some(FrameRef { file: self.file, offset, size, header, payload }))
    }

    /// The chain after this segment, the offset at which whole frames end, and the bytes of a torn frame after them.
    ///
    /// # Errors
    /// When there is a torn frame in a segment that is not the last one.
    pub fn end(self, is_last: bool) -> Result<(Chain, usize, &'b [u8]), OpenError> {
        match self.bytes.get(self.offset..).unwrap_or(&[]) {
            rest if is_last || rest.is_empty() => Ok((self.chain, self.offset, rest)),
            _ => Err(self.damaged("a frame ends early, and there are later segments")),
        }
    }

    fn damaged(&self, what: &'static str) -> OpenError {
        self.chain.damaged(self.file, self.offset, what)
    }

    fn newer(&self, found: u16) -> OpenError {
        OpenError::Newer { path: PathBuf::from(self.file), at: self.offset, found, known: frame::NEWEST }
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyName;
    use super::super::frame::{FrameKind, FrameVersion, Head};
    use super::super::proof::{Leaf, Salt};
    use super::*;

    /// The bytes of each of `count` chained frames, whose payloads consist of `mark`.
    fn frames(count: u64, mark: u8) -> Vec<Vec<u8>> {
        let mut previous = Link::default();
        let write = |position| {
            let (leaf, mut bytes) = (Leaf::commit(&Salt([3; 32]), b"record"), Vec::new());
            let head = Head { kind: FrameKind::Record, key: KeyName([9; 16]), random: [5; 16], leaf };
            let header = Header { version: FrameVersion::Three, position, head };
            previous = frame::write(&mut bytes, &header, &vec![mark; position as usize * 37], &previous);
            bytes
        };
        (1..=count).map(write).collect()
    }

    /// Reads a segment in parts, and returns the positions, the offset at which they end, and the last hash.
    fn read(bytes: &[u8], parts: usize) -> Result<(Vec<u64>, usize, Link), String> {
        let mut whole = Chain::from_start().segment(Path::new("file"), 1, bytes).unwrap();
        let mut positions = Vec::new();
        // The last part is read first, because no part needs the one before it.
        let mut read: Vec<_> = whole
            .split(parts)
            .into_iter()
            .rev()
            .map(|mut part| {
                let (mut found, mut failed) = (Vec::new(), None);
                while let Some(frame) = part.next().unwrap_or_else(|error| {
                    failed = Some(error);
                    None
                }) {
                    found.push(frame.header.position);
                }
                (part, found, failed)
            })
            .collect();
        assert!(read.len() <= parts);
        while let Some((part, found, failed)) = read.pop() {
            if !whole.join(&part).map_err(|error| error.to_string())? {
                break;
            }
            failed.map_or(Ok(()), |error| Err(error.to_string()))?;
            positions.extend(found);
        }
        let (chain, end, _) = whole.end(true).unwrap();
        Ok((positions, end, chain.last()))
    }

    #[test]
    fn reading_in_parts_gives_the_same_result_wherever_a_segment_ends_or_breaks() {
        let (mine, other) = (frames(9, 1), frames(9, 2));
        let whole = mine.concat();
        let swapped = [&mine[..4], &mine[5..6], &mine[4..5], &mine[6..]].concat().concat();
        let gap = [&mine[..4], &mine[5..]].concat().concat();
        let mut cases: Vec<Vec<u8>> = vec![Vec::new(), whole.clone(), swapped, gap];
        cases.extend((0..whole.len()).step_by(97).map(|length| whole[..length].to_vec()));
        cases.extend((0..whole.len()).step_by(41).map(|at| {
            let mut flipped = whole.clone();
            flipped[at] ^= 16;
            flipped
        }));
        // Every frame is whole, and every link but the one between the two halves holds.
        cases.extend((1..9).map(|meet| [&mine[..meet], &other[meet..]].concat().concat()));
        for (index, case) in cases.iter().enumerate() {
            let expected = read(case, 1);
            for parts in 2..12 {
                assert_eq!(read(case, parts), expected, "case {index} in {parts} parts");
            }
        }
        let broken = cases.iter().filter(|case| read(case, 1).is_err_and(|error| error.contains("does not follow")));
        assert_eq!(broken.count(), 10);
    }
}

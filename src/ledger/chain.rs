//! Frames as they follow one another through the segments: what reads them has this check them. Parts of a segment may
//! be read at once, each without what comes before it, and joined in order.

use std::path::{Path, PathBuf};

use super::OpenError;
use super::frame::{self, Found, Header, Link};

const FOLLOWS_NOT: &str = "a frame does not follow the one before it";

/// Where a chain of frames has come to.
#[derive(Debug, Clone, Copy)]
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

/// The frames of one segment, or of a part of it.
pub struct Frames<'b> {
    chain: Chain,
    file: &'b Path,
    /// The whole segment.
    bytes: &'b [u8],
    /// Where they begin, what was read ends, and all of them end.
    start: usize,
    offset: usize,
    end: usize,
    /// The frame that the first of them says it follows.
    follows: Option<Link>,
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
    pub fn segment<'b>(self, file: &'b Path, first: u64, bytes: &'b [u8]) -> Result<Frames<'b>, OpenError> {
        if first != self.next {
            return Err(self.damaged(file, 0, "a segment before it is missing, or it has the name of another"));
        }
        Ok(Frames { chain: self, file, bytes, start: 0, offset: 0, end: bytes.len(), follows: None })
    }

    fn check(&self, follows: Link) -> Result<(), &'static str> {
        if self.previous.is_none_or(|previous| previous == follows) { Ok(()) } else { Err(FOLLOWS_NOT) }
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

impl<'b> Frames<'b> {
    /// The same frames in at most so many parts of about the same size, each to be read by itself. Lengths are believed
    /// here; whether they are right shows when the parts are joined.
    pub fn divide(&self, count: usize) -> Vec<Self> {
        let share = (self.end - self.offset).div_ceil(count.max(1)).max(1);
        let (mut parts, mut offset, mut position) = (Vec::with_capacity(count), self.offset, self.chain.next);
        loop {
            let (start, chain) = (offset, Chain::from_middle(position));
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

    /// Goes on where a part ended that was read. Whether it begins here: where frames end, later parts are none.
    ///
    /// # Errors
    /// When its first frame does not follow the last one here.
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

    /// The next frame; nothing where whole frames end.
    ///
    /// # Errors
    /// When it is not as it was written, or does not follow the one before.
    pub fn next(&mut self) -> Result<Option<Seen<'b>>, OpenError> {
        if self.offset == self.end {
            return Ok(None);
        }
        let (header, previous, link, length) = match frame::read(self.bytes, self.offset) {
            Found::End | Found::Torn => return Ok(None),
            Found::Damaged(what) => return Err(self.damaged(what)),
            Found::Frame { header, previous, link, length } => (header, previous, link, length),
        };
        let follows = if header.position == self.chain.next { self.chain.check(previous) } else { Err(FOLLOWS_NOT) };
        follows.map_err(|what| self.damaged(what))?;
        self.follows.get_or_insert(previous);
        let (offset, size) = (self.offset, frame::size(length));
        let whole = self.bytes.get(offset..offset + size);
        let payload = whole.and_then(|frame| frame.get(frame::payload(length))).unwrap_or(&[]);
        (self.chain.next, self.chain.previous) = (header.position + 1, Some(link));
        self.offset += size;
        Ok(Some(Seen { file: self.file, offset, size, header, payload }))
    }

    /// Where the chain has come to and whole frames end, and what of a frame that was never finished stands behind them.
    ///
    /// # Errors
    /// When there is such a frame, and later segments.
    pub fn end(self, is_last: bool) -> Result<(Chain, usize, &'b [u8]), OpenError> {
        match self.bytes.get(self.offset..).unwrap_or(&[]) {
            rest if is_last || rest.is_empty() => Ok((self.chain, self.offset, rest)),
            _ => Err(self.damaged("a frame ends early, and there are later segments")),
        }
    }

    fn damaged(&self, what: &'static str) -> OpenError {
        self.chain.damaged(self.file, self.offset, what)
    }
}

#[cfg(test)]
mod tests {
    use super::super::customer_keys::KeyName;
    use super::super::frame::Kind;
    use super::super::proof::{Leaf, Salt};
    use super::*;

    /// So many frames, each by itself, whose payloads begin with a byte.
    fn frames(count: u64, mark: u8) -> Vec<Vec<u8>> {
        let mut previous = Link::default();
        let write = |position| {
            let (leaf, mut bytes) = (Leaf::commit(&Salt([3; 32]), b"record"), Vec::new());
            let header = Header { kind: Kind::Record, position, key: KeyName([9; 16]), random: [5; 16], leaf };
            previous = frame::write(&mut bytes, &header, &vec![mark; position as usize * 37], &previous);
            bytes
        };
        (1..=count).map(write).collect()
    }

    /// Reads a segment in parts: which positions there are, where they end, and the last hash.
    fn read(bytes: &[u8], parts: usize) -> Result<(Vec<u64>, usize, Link), String> {
        let mut whole = Chain::from_start().segment(Path::new("file"), 1, bytes).unwrap();
        let mut positions = Vec::new();
        // The last part is read first: none needs what comes before it.
        let mut read: Vec<_> = whole
            .divide(parts)
            .into_iter()
            .rev()
            .map(|mut part| {
                let (mut found, mut failed) = (Vec::new(), None);
                while let Some(seen) = part.next().unwrap_or_else(|error| {
                    failed = Some(error);
                    None
                }) {
                    found.push(seen.header.position);
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
    fn in_parts_a_segment_is_the_same_wherever_it_ends_or_breaks() {
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
        // Each of these frames is whole, and so are the links to either side of the place where they meet.
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

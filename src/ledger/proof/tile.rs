//! Tiles of <https://c2sp.org/tlog-tiles>: 256 neighbouring hashes of one level in one file, and bundles of 256 leaves.
//!
//! The last tile of a level is partial, and so is its name: `tile/0/x001/067.p/12` holds 12 hashes.

use std::collections::HashMap;

use super::{Hash, Node};

/// Levels of the tree that one tile spans.
const HEIGHT: u32 = 8;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes: of leaves at level 0, of full tiles of the level below at any other.
    Hashes(u8),
    /// Leaves.
    Entries,
}

/// One tile: what it holds, the how-manieth it is, and how many items it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// What it holds.
    pub kind: TileKind,
    /// Its place among its like, from 0.
    pub index: u64,
    /// How many items it has: 1 to 256.
    pub width: u64,
}

impl Tile {
    /// Items of a full tile.
    pub const WIDTH: u64 = 1 << HEIGHT;

    /// Its path below the folder of the log, with `/` on every system.
    #[must_use]
    pub fn path(&self) -> String {
        let kind = match self.kind {
            TileKind::Hashes(level) => level.to_string(),
            TileKind::Entries => "entries".to_owned(),
        };
        let mut index = format!("{:03}", self.index % 1_000);
        let mut rest = self.index / 1_000;
        while rest > 0 {
            index = format!("x{:03}/{index}", rest % 1_000);
            rest /= 1_000;
        }
        let partial = if self.width < Self::WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{kind}/{index}{partial}")
    }

    /// The last tile of its kind in a tree of so many leaves; nothing where it would be empty.
    #[must_use]
    pub fn last(kind: TileKind, size: u64) -> Option<Self> {
        let items = items(kind, size);
        let before = items.checked_sub(1)? / Self::WIDTH;
        Some(Self { kind, index: before, width: items - before * Self::WIDTH })
    }
}

/// How many items of a kind a tree of so many leaves has.
fn items(kind: TileKind, size: u64) -> u64 {
    match kind {
        TileKind::Hashes(level) => size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0),
        TileKind::Entries => size,
    }
}

/// Why a tile does not give a hash.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// It cannot be read.
    #[error("`{path}`: {error}")]
    Unreadable {
        /// Which tile.
        path: String,
        /// Why.
        error: E,
    },
    /// It has not the items that its name promises.
    #[error("`{0}` is not as long as it must be")]
    WrongLength(String),
}

/// The nodes of a tree of a given size, from its tiles.
#[derive(Debug)]
pub struct TileNodes<R> {
    size: u64,
    read: R,
    held: HashMap<Tile, Vec<Hash>>,
}

impl<E, R: FnMut(&str) -> Result<Vec<u8>, E>> TileNodes<R> {
    /// Reads tiles by their paths, each at most once.
    pub fn new(size: u64, read: R) -> Self {
        Self { size, read, held: HashMap::new() }
    }

    /// The hash of a node.
    ///
    /// # Errors
    /// When its tile cannot be read, or is not as long as it must be.
    pub fn node(&mut self, node: Node) -> Result<Hash, TileError<E>> {
        let level = node.level / HEIGHT as u8;
        let within = u32::from(node.level) % HEIGHT;
        let first = node.index << within;
        let index = first / Tile::WIDTH;
        let items = items(TileKind::Hashes(level), self.size);
        let width = items.saturating_sub(index * Tile::WIDTH).min(Tile::WIDTH);
        let tile = Tile { kind: TileKind::Hashes(level), index, width };
        if !self.held.contains_key(&tile) {
            let hashes = self.load(tile)?;
            self.held.insert(tile, hashes);
        }
        let start = (first % Tile::WIDTH) as usize;
        let row = self.held.get(&tile).and_then(|hashes| hashes.get(start..start + (1 << within)));
        row.and_then(|row| Hash::over(row.to_vec())).ok_or_else(|| TileError::WrongLength(tile.path()))
    }

    /// Reads a tile; where a partial one is gone, the full one that took its place.
    fn load(&mut self, tile: Tile) -> Result<Vec<Hash>, TileError<E>> {
        let path = tile.path();
        let full = Tile { width: Tile::WIDTH, ..tile };
        let bytes = (self.read)(&path)
            .or_else(|error| if tile == full { Err(error) } else { (self.read)(&full.path()).map_err(|_| error) })
            .map_err(|error| TileError::Unreadable { path: path.clone(), error })?;
        let (hashes, []) = bytes.as_chunks::<{ Hash::SIZE }>() else { return Err(TileError::WrongLength(path)) };
        let hashes: Vec<Hash> = hashes.iter().copied().map(Hash).take(tile.width as usize).collect();
        if (hashes.len() as u64) < tile.width { Err(TileError::WrongLength(path)) } else { Ok(hashes) }
    }
}

//! Tiles of <https://c2sp.org/tlog-tiles>: files of 256 adjacent hashes of one level, and bundles of 256 leaves.
//!
//! The last tile of a level is partial, and so is its name: `tile/0/x001/067.p/12` holds 12 hashes.

use std::collections::HashMap;

use super::{Hash, TreeNode};

/// The levels of the tree that one tile spans.
const HEIGHT: u32 = 8;

/// The kind of a tile's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes of a tile level: of leaves at level 0, of full tiles of the level below at any other.
    Hashes(u8),
    /// Leaves.
    Entries,
}

/// The coordinates of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// The kind and level.
    pub kind: TileKind,
    /// The index among the tiles of its kind and level, from 0.
    pub index: u64,
    /// The number of items, 1 to 256.
    pub width: u64,
}

impl Tile {
    /// The number of items in a full tile.
    pub const WIDTH: u64 = 1 << HEIGHT;

    /// The path below the folder of the log, with `/` on every system.
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

    /// The last tile of a kind in a tree of `size` leaves; `None` if it would be empty.
    #[must_use]
    pub fn last(kind: TileKind, size: u64) -> Option<Self> {
        let items = items(kind, size);
        let before = items.checked_sub(1)? / Self::WIDTH;
        Some(Self { kind, index: before, width: items - before * Self::WIDTH })
    }
}

/// The number of items of a kind in a tree of `size` leaves.
fn items(kind: TileKind, size: u64) -> u64 {
    match kind {
        TileKind::Hashes(level) => size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0),
        TileKind::Entries => size,
    }
}

/// Why a hash cannot be read from a tile.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// The tile cannot be read.
    #[error("`{path}`: {error}")]
    Unreadable {
        /// The path of the tile.
        path: String,
        /// The error of the reader.
        error: E,
    },
    /// The tile at this path has fewer items than it must have, or a partial one.
    #[error("`{0}` is not as long as it must be")]
    WrongLength(String),
}

/// Reads the nodes of a tree of a given size from its tiles.
#[derive(Debug)]
pub struct TileNodes<R> {
    size: u64,
    read: R,
    cache: HashMap<Tile, Vec<Hash>>,
}

impl<E, R: FnMut(&str) -> Result<Vec<u8>, E>> TileNodes<R> {
    /// A reader of the tree of `size` leaves. `read` is called with the path of a tile, at most once for each tile.
    pub fn new(size: u64, read: R) -> Self {
        Self { size, read, cache: HashMap::new() }
    }

    /// The hash of a node.
    ///
    /// # Errors
    /// When its tile cannot be read, or is not as long as it must be.
    pub fn node(&mut self, node: TreeNode) -> Result<Hash, TileError<E>> {
        let level = node.level / HEIGHT as u8;
        let within = u32::from(node.level) % HEIGHT;
        let first = node.index << within;
        let index = first / Tile::WIDTH;
        let items = items(TileKind::Hashes(level), self.size);
        let width = items.saturating_sub(index * Tile::WIDTH).min(Tile::WIDTH);
        let tile = Tile { kind: TileKind::Hashes(level), index, width };
        if !self.cache.contains_key(&tile) {
            let hashes = self.load(tile)?;
            self.cache.insert(tile, hashes);
        }
        let start = (first % Tile::WIDTH) as usize;
        let row = self.cache.get(&tile).and_then(|hashes| hashes.get(start..start + (1 << within)));
        row.and_then(|row| Hash::over(row.to_vec())).ok_or_else(|| TileError::WrongLength(tile.path()))
    }

    /// Reads a tile; if it is partial and no longer exists, the full one that has replaced it.
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

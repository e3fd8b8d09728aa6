//! The Merkle tree as it grows. It stores its right edge only: the hashes in the last, partial tile of each level. From
//! these it computes the root and the tiles that a leaf completes.

use super::tile::TileKind;
use super::{Hash, Leaf, Tile, TreeHead};

/// A file of the published log. The content of a path never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The path below the folder of the log. Once a full tile is written, the folder `PATH.p` of its partial tiles may
    /// be removed.
    pub path: String,
    /// The whole content of the file.
    pub bytes: Vec<u8>,
}

/// A Merkle tree to which leaves are appended.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    /// The hashes of the partial tile of each level, lowest first.
    edge: [Vec<Hash>; 8],
    /// The partial bundle of leaves.
    entries: Vec<u8>,
}

impl Tree {
    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The head over all leaves.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        let over = |below: Option<Hash>, tile: &Vec<Hash>| Hash::over(tile.iter().copied().chain(below).collect());
        self.edge.iter().fold(None, over).unwrap_or_else(Hash::of_empty_tree)
    }

    /// Appends a leaf, and returns the tiles that it completes: mostly none.
    pub fn append(&mut self, leaf: &Leaf) -> Vec<LogFile> {
        let mut completed = Vec::new();
        self.size += 1;
        self.entries.extend(leaf.entry());
        if self.size.is_multiple_of(Tile::WIDTH) {
            completed.extend(file(TileKind::Entries, self.size, std::mem::take(&mut self.entries)));
        }
        let mut carried = Some(leaf.hash());
        for (level, tile) in (0..).zip(&mut self.edge) {
            tile.extend(carried.take());
            if (tile.len() as u64) < Tile::WIDTH {
                break;
            }
            completed.extend(file(TileKind::Hashes(level), self.size, bytes(tile)));
            carried = Hash::over(std::mem::take(tile));
        }
        completed
    }

    /// The partial tiles of the tree, without those that it already had at an earlier size.
    #[must_use]
    pub fn partial_files(&self, earlier: u64) -> Vec<LogFile> {
        let levels = (0..).zip(&self.edge).map(|(level, tile)| (TileKind::Hashes(level), bytes(tile)));
        let entries = std::iter::once((TileKind::Entries, self.entries.clone()));
        let new = |kind| Tile::last(kind, self.size) != Tile::last(kind, earlier);
        levels
            .chain(entries)
            .filter(|(kind, bytes)| !bytes.is_empty() && new(*kind))
            .filter_map(|(kind, bytes)| file(kind, self.size, bytes))
            .collect()
    }
}

/// The last file of a kind in a tree of `size` leaves.
fn file(kind: TileKind, size: u64, bytes: Vec<u8>) -> Option<LogFile> {
    Some(LogFile { path: Tile::last(kind, size)?.path(), bytes })
}

fn bytes(tile: &[Hash]) -> Vec<u8> {
    tile.iter().flat_map(|hash| hash.0).collect()
}

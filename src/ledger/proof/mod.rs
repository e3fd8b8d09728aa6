//! The transparency log of the ledger: a Merkle tree over keyed commitments, signed checkpoints, and receipts. Pure:
//! bytes in, bytes out. `docs/proofs.md` is the specification.
//!
//! The formats are those of other transparency logs, so that existing tools can read them: RFC 6962 for the tree, and
//! <https://c2sp.org> for notes, checkpoints, tiles and proofs.

mod checkpoint;
mod commitment;
mod hash;
mod head;
mod key;
mod note;
mod path;
mod receipt;
mod tile;
mod tree;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use commitment::{Leaf, Salt};
pub use hash::Hash;
pub use head::TreeHead;
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use note::NoteError;
pub use path::{ProofError, TreeNode, consistency, consistency_holds, inclusion, inclusion_holds, root};
pub use receipt::{Receipt, ReceiptError, VerifiedReceipt};
pub use tile::{Tile, TileError, TileKind, TileNodes};
pub use tree::{LogFile, Tree};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Encodes standard base64.
fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Decodes standard base64; `None` unless it is exactly what `encode` writes.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

/// Parses a number without sign and leading zeros.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

//! Pages of a list (AIP-158): a page size above the most is the most, and a page token belongs to the query that returned it.

use std::hash::{BuildHasher as _, Hash};

use tonic::Status;

use super::status::wrong_field;

/// The number of items in a page: `usual` if the caller did not say, at most `most`.
pub fn size(asked: u32, usual: usize, most: usize) -> usize {
    match asked {
        0 => usual,
        asked => most.min(asked as usize),
    }
}

/// The token of the page after a place in a list.
pub fn token(place: u64, query: &impl Hash) -> String {
    format!("{place:x}-{:016x}", fingerprint(query))
}

/// The place that a token names; `None` for an empty one.
///
/// # Errors
/// When it is not the token of a page of this query.
pub fn place(token: &str, query: &impl Hash) -> Result<Option<u64>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let parts = token.split_once('-').map(|(place, query)| [place, query].map(|part| u64::from_str_radix(part, 16)));
    match parts {
        Some([Ok(place), Ok(of)]) if of == fingerprint(query) => Ok(Some(place)),
        _ => Err(wrong_field("page_token", "is not the next_page_token of a page of this query")),
    }
}

fn fingerprint(query: &impl Hash) -> u64 {
    foldhash::quality::FixedState::with_seed(0x7061_6765).hash_one(query)
}

//! A plain tonic server, as `cargo build --release` makes it and with the system's allocator: `cargo bench --bench serve`
//! builds it to compare with. Its argument is the file with its only answer.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

mod peers;

fn main() {
    let answer = std::env::args_os().nth(1).unwrap();
    peers::plain(peers::Canned::read(answer.as_ref()));
}

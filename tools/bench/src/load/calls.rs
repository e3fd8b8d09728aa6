//! The calls that a load makes.

use bytes::{BufMut as _, Bytes, BytesMut};
use tonic::Status;

/// The calls that a load makes.
pub trait Calls: Send + Sync {
    /// The methods that are called, such as `/tactful.v1.DecisionService/Decide`.
    fn methods(&self) -> Vec<String>;

    /// The index of the method of call `number`, and its message as [`framed`] encodes it.
    ///
    /// # Errors
    /// When there is no such message; the call then counts as failed with this status.
    fn call(&self, number: u64) -> Result<(usize, Bytes), Status>;

    /// Receives the answer to call `number`, framed.
    fn answered(&self, _number: u64, _answer: &[u8]) {}
}

/// A message as gRPC sends it: uncompressed, after its length.
#[must_use]
pub fn framed(message: &impl prost::Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut bytes = BytesMut::with_capacity(message.len() + 5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    bytes.put_slice(&message);
    bytes.freeze()
}

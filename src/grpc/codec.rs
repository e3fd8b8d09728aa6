//! Messages to bytes and back, in buffers as long as most messages are: tonic's own codec takes 8 KiB for every question
//! and again for every answer, and a few hundred calls under way push each other out of the processor's cache.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// How many bytes a message has room for before its buffer grows.
const ROOM: usize = 1_024;
/// How many bytes of a stream are sent together, as in tonic.
const TOGETHER: usize = 32 * 1_024;

/// Protocol buffers with little room.
#[derive(Debug)]
pub struct SmallProst<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SmallProst<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Send + 'static, U: Message + Default + Send + 'static> Codec for SmallProst<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(ROOM, TOGETHER))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(ROOM, TOGETHER))
    }
}

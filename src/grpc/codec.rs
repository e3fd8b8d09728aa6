//! The codec of messages, with buffers as long as most messages are. tonic's own codec allocates 8 KiB for every
//! question and again for every answer, and with a few hundred calls in progress these buffers do not fit into the
//! processor's cache.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use super::status::refusal;

/// The initial capacity of a message's buffer, in bytes.
const ROOM: usize = 1_024;
/// How many bytes of a stream are sent together, as in tonic.
const TOGETHER: usize = 32 * 1_024;

/// Protocol buffers with small buffers.
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
    type Decoder = SmallDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(ROOM, TOGETHER))
    }

    fn decoder(&mut self) -> Self::Decoder {
        SmallDecoder(ProstCodec::<T, U>::raw_decoder(BufferSettings::new(ROOM, TOGETHER)))
    }
}

/// Decodes messages. Bytes that are not a message are the caller's mistake, where tonic says that they are ours.
#[derive(Debug)]
pub struct SmallDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default> Decoder for SmallDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        self.0.decode(buffer).map_err(|error| {
            let message = format!("the bytes are not a message of this call: {}", error.message());
            refusal(Code::InvalidArgument, "INVALID_REQUEST", &message)
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

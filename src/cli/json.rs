//! Messages as JSON, in the mapping of protocol buffers.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::ser::{PrettyFormatter, Serializer};

use super::{Failure, say};
use crate::grpc::DESCRIPTORS;

/// Prints a message of this name over several lines.
pub(super) fn print(name: &str, message: &impl Message) -> Result<(), Failure> {
    let mut json = Vec::new();
    write(name, message, &mut Serializer::with_formatter(&mut json, PrettyFormatter::new()))?;
    say(&String::from_utf8_lossy(&json));
    Ok(())
}

/// Prints a message of this name on one line.
pub(super) fn print_line(name: &str, message: &impl Message) -> Result<(), Failure> {
    let mut json = Vec::new();
    write(name, message, &mut Serializer::new(&mut json))?;
    say(&String::from_utf8_lossy(&json));
    Ok(())
}

/// Writes all fields, also those with their default: `"usable": false` is an answer.
fn write<'w, S>(name: &str, message: &impl Message, to: S) -> Result<(), Failure>
where
    S: serde::Serializer + 'w,
{
    let failed = |reason: String| Failure::new(format!("the answer cannot be printed as JSON: {reason}"));
    let pool = DescriptorPool::decode(DESCRIPTORS).map_err(|error| failed(error.to_string()))?;
    let kind = pool.get_message_by_name(&format!("tactful.v1.{name}"));
    let kind = kind.ok_or_else(|| failed(format!("no message is called `{name}`")))?;
    let message = DynamicMessage::decode(kind, message.encode_to_vec().as_slice());
    let message = message.map_err(|error| failed(error.to_string()))?;
    let options = SerializeOptions::new().skip_default_fields(false);
    let written = message.serialize_with_options(to, &options);
    written.map(drop).map_err(|error| failed(error.to_string()))
}

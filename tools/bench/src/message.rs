//! The messages of a load: JSON with templates, encoded for the method.

use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use serde_json::Value as Json;
use tonic::Status;

use crate::load::{Calls, framed};
use crate::template::TextTemplate;

/// The descriptors of the protocol.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tactful.v1.bin"));

/// The messages to a method, used in turn.
#[derive(Debug)]
pub(crate) struct Messages {
    method: String,
    descriptor: MessageDescriptor,
    messages: Vec<Node>,
}

/// JSON whose texts are templates.
#[derive(Debug)]
enum Node {
    Plain(Json),
    Text(TextTemplate),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Messages {
    /// Parses the JSON messages to a method such as `tactful.v1.DecisionService.Decide`: one, or a list to use in turn.
    ///
    /// # Errors
    /// When there is no such method, or the messages do not fit it.
    pub(crate) fn read(call: &str, data: &Json) -> Result<Self, String> {
        let method = method(call)?;
        let descriptor = method.input();
        let messages = match data {
            Json::Array(messages) => messages.iter().map(Node::read).collect::<Result<Vec<_>, _>>()?,
            one => vec![Node::read(one)?],
        };
        if messages.is_empty() {
            return Err("there is no message in its data".into());
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let messages = Self { method: path, descriptor, messages };
        for number in 0..messages.messages.len() as u64 {
            messages.message(number)?;
        }
        Ok(messages)
    }

    fn message(&self, number: u64) -> Result<DynamicMessage, String> {
        let turn = number.checked_rem(self.messages.len() as u64).and_then(|turn| usize::try_from(turn).ok());
        let node = turn.and_then(|turn| self.messages.get(turn)).ok_or("there is no message")?;
        DynamicMessage::deserialize(self.descriptor.clone(), node.fill(number)?)
            .map_err(|error| format!("`data` is not a {}: {error}", self.descriptor.full_name()))
    }
}

impl Calls for Messages {
    fn methods(&self) -> Vec<String> {
        vec![self.method.clone()]
    }

    fn call(&self, number: u64) -> Result<(usize, Bytes), Status> {
        self.message(number).map(|message| (0, framed(&message))).map_err(Status::invalid_argument)
    }
}

fn method(call: &str) -> Result<MethodDescriptor, String> {
    let pool = DescriptorPool::decode(DESCRIPTORS).map_err(|error| error.to_string())?;
    let found = call.rsplit_once(['.', '/']).and_then(|(service, method)| {
        let service = pool.get_service_by_name(service)?;
        service.methods().find(|known| known.name() == method)
    });
    match found {
        Some(method) if !method.is_client_streaming() && !method.is_server_streaming() => Ok(method),
        Some(_) => Err(format!("`{call}` is a stream, whose calls cannot be timed")),
        None => {
            let name = |method: MethodDescriptor| method.full_name().to_owned();
            let of = |service: ServiceDescriptor| service.methods().map(name).collect::<Vec<_>>();
            let known: Vec<String> = pool.services().flat_map(of).collect();
            Err(format!("`call`: no method is called `{call}`; there are {}", known.join(", ")))
        }
    }
}

impl Node {
    fn read(json: &Json) -> Result<Self, String> {
        Ok(match json {
            Json::String(text) if text.contains("{{") => Self::Text(TextTemplate::read(text)?),
            Json::Array(items) => Self::List(items.iter().map(Self::read).collect::<Result<_, _>>()?),
            Json::Object(fields) => {
                let field = |(name, value): (&String, &Json)| Ok((name.clone(), Self::read(value)?));
                Self::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain.clone()),
        })
    }

    fn fill(&self, number: u64) -> Result<Json, String> {
        Ok(match self {
            Self::Plain(json) => json.clone(),
            Self::Text(template) => Json::String(template.fill(number)?),
            Self::List(items) => items.iter().map(|item| item.fill(number)).collect::<Result<_, _>>()?,
            Self::Object(fields) => {
                let field = |(name, node): &(String, Self)| Ok((name.clone(), node.fill(number)?));
                Json::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
            }
        })
    }
}

//! What the simulated workers answer to updates.

use evertide_proto::command::{Command, ProtocolMessageCommandAttributes};
use evertide_proto::common::Payloads;
use evertide_proto::failure::Failure;
use evertide_proto::prost_types::Any;
use evertide_proto::protocol::Message;
use evertide_proto::protocol::message::SequencingId;
use evertide_proto::update::outcome::Value;
use evertide_proto::update::{Acceptance, Outcome, Rejection, Request, Response};
use prost::Name;

use crate::world::World;

/// Accepts and completes the updates of a task, or rejects some. Returns the messages, and the commands that say where
/// between the other commands they belong.
pub(super) fn answer(world: &World, requests: Vec<Message>) -> (Vec<Message>, Vec<Command>) {
    let mut messages = Vec::new();
    for message in requests {
        let Some(request) = message.body.as_ref().and_then(|body| body.to_msg::<Request>().ok()) else {
            world.fault(format!("a task has a message that is no update: {message:?}"));
            continue;
        };
        if world.mischief(10) {
            continue; // A worker that does not know updates.
        }
        let sequencing_event_id = match message.sequencing_id {
            Some(SequencingId::EventId(id)) => id,
            Some(SequencingId::CommandIndex(_)) | None => 0,
        };
        if world.below(5) == 0 {
            messages.push(reject(&message, request, sequencing_event_id));
        } else {
            messages.push(accept(&message, request.clone(), sequencing_event_id));
            messages.push(complete(&message, request));
        }
    }
    let commands = messages.iter().map(|m| place(&m.id)).collect();
    (messages, commands)
}

fn accept(to: &Message, request: Request, sequencing_event_id: i64) -> Message {
    let acceptance = Acceptance {
        accepted_request_message_id: to.id.clone(),
        accepted_request_sequencing_event_id: sequencing_event_id,
        accepted_request: Some(request),
    };
    message(to, "accept", &acceptance)
}

fn complete(to: &Message, request: Request) -> Message {
    let outcome = Outcome { value: Some(Value::Success(Payloads::default())) };
    message(to, "complete", &Response { meta: request.meta, outcome: Some(outcome) })
}

fn reject(to: &Message, request: Request, sequencing_event_id: i64) -> Message {
    let rejection = Rejection {
        rejected_request_message_id: to.id.clone(),
        rejected_request_sequencing_event_id: sequencing_event_id,
        rejected_request: Some(request),
        failure: Some(Failure { message: "rejected".to_owned(), ..Failure::default() }),
    };
    message(to, "reject", &rejection)
}

fn message(to: &Message, what: &str, body: &impl Name) -> Message {
    let body = Any { type_url: format!("type.googleapis.com/{}", type_name(body)), value: body.encode_to_vec() };
    Message {
        id: format!("{}/{what}", to.protocol_instance_id),
        protocol_instance_id: to.protocol_instance_id.clone(),
        body: Some(body),
        ..Message::default()
    }
}

fn type_name<T: Name>(_: &T) -> String {
    T::full_name()
}

fn place(message_id: &str) -> Command {
    let attributes = ProtocolMessageCommandAttributes { message_id: message_id.to_owned() };
    let attributes = evertide_proto::command::command::Attributes::from(attributes);
    Command { command_type: attributes.command_type().into(), attributes: Some(attributes), ..Command::default() }
}

//! Requests of workflows to the system's own Nexus endpoint. SDKs send them as protobuf in binary or as JSON; from here on
//! they are in binary, in the history as well.

use evertide_engine::workflow::SYSTEM_ENDPOINT;
use evertide_proto::command::command::Attributes;
use evertide_proto::command::{Command, ScheduleNexusOperationCommandAttributes};
use evertide_proto::common::Payload;
use evertide_proto::workflowservice::SignalWithStartWorkflowExecutionRequest;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage};
use std::sync::LazyLock;

const ENCODING: &str = "encoding";
const JSON: &[u8] = b"json/protobuf";
const BINARY: &[u8] = b"binary/protobuf";

/// The descriptors of the whole API, read when the first request comes as JSON.
static DESCRIPTORS: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(evertide_proto::DESCRIPTORS).ok());

/// Turns the requests in commands into binary. What cannot be read stays as it is, and is refused with the command.
pub(super) fn in_binary(commands: &mut [Command]) {
    for command in commands {
        let Some(Attributes::ScheduleNexusOperationCommandAttributes(a)) = &mut command.attributes else { continue };
        let ScheduleNexusOperationCommandAttributes { endpoint, input: Some(input), .. } = &mut **a else { continue };
        if endpoint == SYSTEM_ENDPOINT && input.metadata.get(ENCODING).is_some_and(|encoding| encoding == JSON) {
            to_binary(input);
        }
    }
}

/// There is one request that such operations take.
fn to_binary(input: &mut Payload) -> Option<()> {
    let descriptor = DESCRIPTORS.as_ref()?.get_message_by_name(&SignalWithStartWorkflowExecutionRequest::full_name())?;
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let mut json = serde_json::Deserializer::from_slice(&input.data);
    let message = DynamicMessage::deserialize_with_options(descriptor, &mut json, &options).ok()?;
    json.end().ok()?;
    input.data = message.encode_to_vec().into();
    input.metadata.insert(ENCODING.to_owned(), BINARY.into());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(endpoint: &str, encoding: &'static [u8], data: &'static str) -> Command {
        let input = Payload {
            metadata: [(ENCODING.to_owned(), encoding.into())].into(),
            data: data.into(),
            ..Payload::default()
        };
        let attributes = ScheduleNexusOperationCommandAttributes {
            endpoint: endpoint.to_owned(),
            input: Some(input),
            ..ScheduleNexusOperationCommandAttributes::default()
        };
        Command { attributes: Some(attributes.into()), ..Command::default() }
    }

    fn input(command: &Command) -> Payload {
        match &command.attributes {
            Some(Attributes::ScheduleNexusOperationCommandAttributes(a)) => a.input.clone().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn json_becomes_binary() {
        let json = r#"{"workflowId": "w", "signalName": "hey", "taskQueue": {"name": "q"}, "workflowTaskTimeout": "5s",
                       "signalInput": {"payloads": [{"data": "aGk="}]}, "unheardOf": 1}"#;
        let mut commands = [command(SYSTEM_ENDPOINT, JSON, json)];
        in_binary(&mut commands);
        let input = input(&commands[0]);
        assert_eq!(input.metadata[ENCODING], BINARY);
        let request = SignalWithStartWorkflowExecutionRequest::decode(input.data).unwrap();
        assert_eq!((request.workflow_id.as_str(), request.signal_name.as_str()), ("w", "hey"));
        assert_eq!(request.workflow_task_timeout.unwrap().seconds, 5);
        assert_eq!(request.signal_input.unwrap().payloads[0].data, "hi");
    }

    #[test]
    fn what_is_not_such_a_request_stays_as_it_is() {
        for (endpoint, encoding, data) in [
            ("mine", JSON, "{}"),
            (SYSTEM_ENDPOINT, BINARY, "{}"),
            (SYSTEM_ENDPOINT, JSON, "{"),
            (SYSTEM_ENDPOINT, JSON, "{} {}"),
            (SYSTEM_ENDPOINT, JSON, r#"{"workflowId": 1}"#),
        ] {
            let mut commands = [command(endpoint, encoding, data)];
            let before = commands.clone();
            in_binary(&mut commands);
            assert_eq!(commands, before, "{endpoint} {data}");
        }
    }
}

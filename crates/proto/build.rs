//! Generates messages and service traits from `descriptors.bin`, without protoc and without a network.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use prost::Message;
use prost_build::{Config, Service, ServiceGenerator};
use prost_types::{DescriptorProto, FileDescriptorSet};

/// The descriptor set, beside this file. It is made by `cargo run -p xtask -- protos DIRECTORY`.
const DESCRIPTORS: &str = "descriptors.bin";

/// What tonic's stub answers for every method alike.
const ANONYMOUS_STUB: &str = "\"Not yet implemented\"";

/// A message whose kind is said twice: by an enum, and by which variant of its `attributes` is set.
struct Attributed {
    package: &'static str,
    message: &'static str,
    /// The Rust path of the `attributes`, from the root of the crate.
    attributes: &'static str,
    /// The enum of the kinds.
    kinds: &'static str,
    /// What the name of a variant adds to the name of its kind.
    variant_suffix: &'static str,
    /// The method that tells the kind.
    method: &'static str,
}

const ATTRIBUTED: [Attributed; 2] = [
    Attributed {
        package: "temporal.api.history.v1",
        message: "HistoryEvent",
        attributes: "history::history_event::Attributes",
        kinds: "EventType",
        variant_suffix: "EventAttributes",
        method: "event_type",
    },
    Attributed {
        package: "temporal.api.command.v1",
        message: "Command",
        attributes: "command::command::Attributes",
        kinds: "CommandType",
        variant_suffix: "CommandAttributes",
        method: "command_type",
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={DESCRIPTORS}");
    let descriptors = FileDescriptorSet::decode(fs::read(DESCRIPTORS)?.as_slice())?;
    let out_dir = env::var("OUT_DIR")?;
    let out_dir = Path::new(&out_dir);

    fs::write(out_dir.join("attributes.rs"), attributes_source(&descriptors)?)?;
    fs::write(out_dir.join("services.rs"), services_source(&descriptors)?)?;
    configuration().compile_fds(descriptors)?;
    Ok(())
}

fn configuration() -> Config {
    let services = tonic_prost_build::configure()
        .build_client(env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .build_server(env::var_os("CARGO_FEATURE_SERVER").is_some())
        .generate_default_stubs(true)
        .service_generator();
    let mut config = Config::new();
    config
        .service_generator(Box::new(NamedStubs(services)))
        .include_file("modules.rs")
        // Payloads pass through the server unread, so they are never copied.
        .bytes(["."])
        // Sorted maps make the encoding of a message a function of its value.
        .btree_map(["."])
        // Unboxed, every event would be as large as the largest kind of event, some two kilobytes.
        .boxed(".temporal.api.history.v1.HistoryEvent.attributes")
        .boxed(".temporal.api.command.v1.Command.attributes")
        // Error details are packed into `google.protobuf.Any`, which needs their names.
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com");
    config
}

/// tonic's generator, with stubs that say which method is missing.
struct NamedStubs(Box<dyn ServiceGenerator>);

impl ServiceGenerator for NamedStubs {
    fn generate(&mut self, service: Service, buf: &mut String) {
        let methods: Vec<String> = service.methods.iter().map(|method| method.proto_name.clone()).collect();
        let mut source = String::new();
        self.0.generate(service, &mut source);

        // The stubs come in the order of the methods, so the nth one belongs to the nth method.
        let mut pieces = source.split(ANONYMOUS_STUB);
        buf.push_str(pieces.next().unwrap_or_default());
        let mut names = methods.iter();
        for piece in pieces {
            let name = names.next().expect("tonic writes one stub for each method");
            write!(buf, "\"method {name} is not implemented by this server\"{piece}")
                .expect("writing to a string does not fail");
        }
    }
}

/// The source of the table of services and their methods.
fn services_source(descriptors: &FileDescriptorSet) -> Result<String, std::fmt::Error> {
    let mut source = String::from("&[\n");
    for file in &descriptors.file {
        for service in &file.service {
            writeln!(source, "Service {{ name: \"{}.{}\", methods: &[", file.package(), service.name())?;
            for method in &service.method {
                writeln!(source, "\"{}\",", method.name())?;
            }
            writeln!(source, "] }},")?;
        }
    }
    source.push(']');
    Ok(source)
}

/// The source of the conversions between attributes and the kinds of message they stand for.
fn attributes_source(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let mut source = String::new();
    for attributed in &ATTRIBUTED {
        let message = descriptors
            .file
            .iter()
            .filter(|file| file.package() == attributed.package)
            .flat_map(|file| &file.message_type)
            .find(|message| message.name() == attributed.message)
            .ok_or_else(|| format!("{DESCRIPTORS} has no message {}", attributed.message))?;
        write_attributes(&mut source, attributed, message)?;
    }
    Ok(source)
}

fn write_attributes(
    source: &mut String,
    attributed: &Attributed,
    message: &DescriptorProto,
) -> Result<(), Box<dyn Error>> {
    let Attributed { attributes, kinds, variant_suffix, method, .. } = attributed;
    let module = attributes.split("::").next().unwrap_or_default();
    let mut kind_arms = String::new();
    for field in message.field.iter().filter(|field| field.oneof_index.is_some()) {
        let variant = field.type_name().rsplit('.').next().unwrap_or_default();
        let kind = variant
            .strip_suffix(variant_suffix)
            .ok_or_else(|| format!("the attributes {variant} do not end with {variant_suffix}"))?;
        writeln!(kind_arms, "Self::{variant}(_) => crate::enums::{kinds}::{kind},")?;
        writeln!(
            source,
            "impl From<crate::{module}::{variant}> for crate::{attributes} {{
                fn from(attributes: crate::{module}::{variant}) -> Self {{ Self::{variant}(Box::new(attributes)) }}
            }}"
        )?;
    }
    writeln!(
        source,
        "impl crate::{attributes} {{
            /// The `{kinds}` that these attributes belong to.
            pub fn {method}(&self) -> crate::enums::{kinds} {{ match self {{ {kind_arms} }} }}
        }}"
    )?;
    Ok(())
}

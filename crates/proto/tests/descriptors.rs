//! What the descriptor set holds, because reflection, generation and the table of services all rest on it.

use std::collections::BTreeSet;

use evertide_proto::prost::Message;
use evertide_proto::prost_types::FileDescriptorSet;
use evertide_proto::{DESCRIPTORS, SERVICES};

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(DESCRIPTORS).expect("the descriptor set is well formed")
}

/// A count that changes tells whoever renews the descriptor set that methods came or went.
#[test]
fn the_services_have_the_methods_of_the_published_api() {
    let counts: Vec<(&str, usize)> = SERVICES.iter().map(|service| (service.name, service.methods.len())).collect();
    assert_eq!(
        counts,
        [
            ("temporal.api.operatorservice.v1.OperatorService", 12),
            ("temporal.api.workflowservice.v1.WorkflowService", 123),
            ("temporal.api.testservice.v1.TestService", 6),
        ]
    );
}

#[test]
fn there_are_no_comments() {
    for file in descriptors().file {
        assert_eq!(file.source_code_info, None, "{}", file.name());
    }
}

/// A reflection client asks for a file and then for what it imports, and cannot go on where one is missing.
#[test]
fn every_import_is_there_before_its_importer() {
    let mut known = BTreeSet::new();
    for file in descriptors().file {
        for import in &file.dependency {
            assert!(known.contains(import), "{} imports {import}", file.name());
        }
        known.insert(file.name().to_owned());
    }
}

#[test]
fn only_the_api_and_its_imports_are_there() {
    for file in descriptors().file {
        let package = file.package();
        let wanted = package == "nexusannotations.v1"
            || package.starts_with("google.")
            || (package.starts_with("temporal.api.") && !package.starts_with("temporal.api.cloud."));
        assert!(wanted, "{} of package {package}", file.name());
    }
}

/// The routes of the HTTP API stand in custom options, which an encoder that does not know them would drop.
#[test]
fn http_routes_are_kept() {
    let route = b"/namespaces/{namespace}/workflows/{workflow_id}";
    assert!(DESCRIPTORS.windows(route.len()).any(|window| window == route));
}

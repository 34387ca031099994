use std::collections::BTreeMap;

use evertide_proto::workflowservice::StartWorkflowExecutionResponse;

use super::*;
use crate::start::take_started;

/// Beside its text, a shared text has two counts.
const COUNTS_SIZE_BYTES: usize = 2 * size_of::<usize>();

/// A program may hold a handle for each of a million workflows, so all that one takes counts, its ids included.
#[test]
fn a_handle_of_a_start_takes_less_than_200_bytes() {
    let run_id = "01a204e3-0000-7000-8000-000000000000".to_owned();
    let mut ids = Ids::of_workflow("6f1c2a54-9d0e-4b7a-8c53-2f5e8a9b7d10".into());
    let answer =
        StartWorkflowExecutionResponse { run_id: run_id.clone(), first_execution_run_id: run_id, ..Default::default() };
    take_started(&mut ids, &answer);
    let texts =
        [Some(&ids.workflow_id), ids.run_id.as_ref(), ids.result_run_id.as_ref(), ids.first_execution_run_id.as_ref()];
    let owned: BTreeMap<_, _> =
        texts.into_iter().flatten().map(|text| (Arc::as_ptr(text).cast::<u8>(), text.len())).collect();
    let owned_bytes: usize = owned.values().map(|length| COUNTS_SIZE_BYTES + length).sum();
    let whole = size_of::<WorkflowHandle>() + owned_bytes;
    assert!(whole < 200, "{} bytes, of which {owned_bytes} are ids", whole);
    assert_eq!(ids.first_execution_run_id, ids.result_run_id);
}

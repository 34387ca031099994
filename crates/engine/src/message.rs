//! What executions say to each other.

use crate::address::{Address, Kind};
use evertide_proto::common::{Link, WorkflowExecution};
use evertide_proto::enums::ParentClosePolicy;
use evertide_proto::history::{
    HistoryEvent, RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionInitiatedEventAttributes, StartChildWorkflowExecutionInitiatedEventAttributes,
};
use evertide_proto::sdk::UserMetadata;
use evertide_proto::workflowservice::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest};

/// A message in the outbox of a run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Outgoing {
    /// Kind of the target, a number.
    #[prost(uint32, tag = "12")]
    pub kind: u32,
    /// Namespace id of the target.
    #[prost(string, tag = "1")]
    pub namespace_id: String,
    /// Id of the target.
    #[prost(string, tag = "2")]
    pub id: String,
    /// Run id of the target; empty for its current run.
    #[prost(string, tag = "3")]
    pub run_id: String,
    /// What to say.
    #[prost(oneof = "Message", tags = "4, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22")]
    pub message: Option<Message>,
}

impl Outgoing {
    /// A message to an execution.
    #[must_use]
    pub fn new(target: Address, message: Message) -> Self {
        Self {
            kind: target.kind.number().into(),
            namespace_id: target.namespace_id,
            id: target.id,
            run_id: target.run_id,
            message: Some(message),
        }
    }

    /// Who gets it; none if this version does not know the kind.
    #[must_use]
    pub fn target(&self) -> Option<Address> {
        Some(Address {
            namespace_id: self.namespace_id.clone(),
            kind: Kind::from_number(u8::try_from(self.kind).ok()?)?,
            id: self.id.clone(),
            run_id: self.run_id.clone(),
        })
    }
}

/// What one execution says to another.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Message {
    /// Start the child of this initiated event.
    #[prost(message, tag = "4")]
    StartChild(StartChild),
    /// The parent knows that the child has started: it may have its first workflow task.
    #[prost(message, tag = "5")]
    BeginChild(BeginChild),
    /// Take a signal.
    #[prost(message, tag = "6")]
    Signal(SignalMessage),
    /// Cancel.
    #[prost(message, tag = "7")]
    Cancel(CancelMessage),
    /// The child has ended.
    #[prost(message, tag = "8")]
    ChildClosed(ChildClosed),
    /// The parent has ended; its close policy asks for this.
    #[prost(message, tag = "9")]
    ParentClosed(ParentClosed),
    /// The run was reset to the sender.
    #[prost(message, tag = "10")]
    WasReset(WasReset),
    /// Take a signal, and start for it if no run is open.
    #[prost(message, tag = "11")]
    SignalWithStart(SignalWithStart),
    /// Start a workflow.
    #[prost(message, tag = "20")]
    StartWorkflow(StartWorkflow),
    /// End: cancel or terminate.
    #[prost(message, tag = "21")]
    EndWorkflow(EndWorkflow),
    /// A workflow that is watched has closed.
    #[prost(message, tag = "22")]
    WorkflowClosed(WorkflowClosed),
}

impl Message {
    /// Whether the message is for the workflow id rather than for one of its runs, since it may make a run.
    #[must_use]
    pub fn may_make_a_run(&self) -> bool {
        matches!(self, Self::StartChild(_) | Self::SignalWithStart(_) | Self::StartWorkflow(_))
    }
}

/// Start the child of this initiated event; the rest is in the sender's pending child.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StartChild {
    /// Id of the initiated event.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Summary and details for the child's start.
    #[prost(message, optional, tag = "2")]
    pub user_metadata: Option<UserMetadata>,
}

/// The child may begin.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct BeginChild {}

/// A signal to another workflow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignalMessage {
    /// Id of the sender's initiated event.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Dedupe at the target.
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// The attributes of the initiated event: name, input, header.
    #[prost(message, required, tag = "3")]
    pub initiated: SignalExternalWorkflowExecutionInitiatedEventAttributes,
}

/// A cancel request to another workflow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CancelMessage {
    /// Id of the sender's initiated event.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Dedupe at the target.
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// The attributes of the initiated event.
    #[prost(message, required, tag = "3")]
    pub initiated: RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
}

/// A child's end, for its parent.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChildClosed {
    /// Id of the parent's initiated event.
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// The child's chain: the run that the parent started.
    #[prost(string, tag = "2")]
    pub first_run_id: String,
    /// The child's last run.
    #[prost(string, tag = "3")]
    pub run_id: String,
    /// Its close event; only the attributes count.
    #[prost(message, required, tag = "4")]
    pub close_event: HistoryEvent,
    /// The child's workflow id.
    #[prost(string, tag = "5")]
    pub workflow_id: String,
    /// The run that the child names as its parent was reset and passed the news on.
    #[prost(bool, tag = "6")]
    pub forwarded: bool,
}

/// A parent's end, for its child.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ParentClosed {
    /// Terminate or request cancel.
    #[prost(enumeration = "ParentClosePolicy", tag = "1")]
    pub policy: i32,
    /// The run that the parent started: the guard of the child's chain.
    #[prost(string, tag = "2")]
    pub first_run_id: String,
}

/// A run that was not the current one any more was reset to the run that says so.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WasReset {
    /// The reset point: the first event of the run that the sender does not share.
    #[prost(int64, tag = "1")]
    pub point: i64,
}

/// An operation of a workflow: signal another one, and start it if it does not run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignalWithStart {
    /// Id of the event that scheduled the operation.
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// The request, with the operation's request id.
    #[prost(message, optional, tag = "2")]
    pub request: Option<SignalWithStartWorkflowExecutionRequest>,
}

/// Start a workflow as a client would.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StartWorkflow {
    /// The request; a repeat is known by its request id.
    #[prost(message, optional, tag = "1")]
    pub request: Option<StartWorkflowExecutionRequest>,
    /// Who is told when the workflow has closed.
    #[prost(message, optional, tag = "2")]
    pub watcher: Option<Watcher>,
}

/// An execution that is told when a workflow closes: when the last run of its chain has.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Watcher {
    /// Kind of the execution, a number.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    /// Its namespace id.
    #[prost(string, tag = "2")]
    pub namespace_id: String,
    /// Its id. It is told in its current run.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Request id with which it started the workflow.
    #[prost(string, tag = "4")]
    pub request_id: String,
}

/// End, if the chain is still this one.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EndWorkflow {
    /// Terminate rather than request cancel.
    #[prost(bool, tag = "1")]
    pub terminate: bool,
    /// The first run of the chain.
    #[prost(string, tag = "2")]
    pub first_run_id: String,
    /// Why.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// Who asks.
    #[prost(string, tag = "4")]
    pub identity: String,
}

/// A workflow has closed, for who watches it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkflowClosed {
    /// Request id with which the watcher started it.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Its workflow id.
    #[prost(string, tag = "2")]
    pub workflow_id: String,
    /// The first run of its chain.
    #[prost(string, tag = "3")]
    pub first_run_id: String,
    /// Its close event; only the attributes count.
    #[prost(message, required, tag = "4")]
    pub close_event: HistoryEvent,
}

/// A message with all that its target must know.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Who gets it; without a run id the current run of the id.
    pub target: Address,
    /// Who sends it.
    pub source: Sender,
    /// What is said.
    pub message: Message,
    /// For [`Message::StartChild`]: the initiated event and the request id of the start.
    pub child: Option<Box<ChildStart>>,
}

/// Who sends a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Namespace id.
    pub namespace_id: String,
    /// Namespace name.
    pub namespace: String,
    /// The run that sends it.
    pub execution: WorkflowExecution,
}

/// What the start of a child needs from its parent.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildStart {
    /// Attributes of the initiated event.
    pub initiated: StartChildWorkflowExecutionInitiatedEventAttributes,
    /// Request id of the start.
    pub request_id: String,
    /// Root of the parent's tree.
    pub root: WorkflowExecution,
    /// Priority of the parent, under that of the command.
    pub parent_priority: Option<evertide_proto::common::Priority>,
}

/// How the target took a message.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryResult {
    /// Taken, now or earlier.
    Taken,
    /// The child runs; this is its run.
    ChildStarted {
        /// First run of the child's chain.
        run_id: String,
    },
    /// The workflow was started.
    Started {
        /// First run of its chain.
        run_id: String,
    },
    /// The child was not started: its workflow id is in use.
    ChildExists,
    /// There is no such execution, or it has ended.
    NotFound,
    /// There is no such namespace.
    NamespaceNotFound,
    /// The target takes no more signals.
    SignalLimit,
    /// The target has the signal.
    SignaledWithStart {
        /// The run that has it.
        run_id: String,
        /// Whether it was started for that.
        started: bool,
        /// Where the signal is in its history.
        signal_link: Option<Box<Link>>,
    },
    /// The target does not take the request.
    Refused {
        /// Why.
        message: String,
    },
}

/// A new message to another execution.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OutboxChange {
    /// Its number.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// The message.
    #[prost(message, required, tag = "2")]
    pub message: Outgoing,
}

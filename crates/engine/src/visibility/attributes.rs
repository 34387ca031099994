//! The names that queries and search attributes may use, and their types.

use super::value::AttributeType;
use crate::Rejection;
use std::collections::BTreeMap;

/// What every workflow has, kept in fields of its own. None of these can be set by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // The names are the system's own.
pub enum SystemAttribute {
    WorkflowId,
    RunId,
    WorkflowType,
    StartTime,
    ExecutionTime,
    CloseTime,
    ExecutionStatus,
    TaskQueue,
    HistoryLength,
    ExecutionDuration,
    StateTransitionCount,
    HistorySizeBytes,
    ParentWorkflowId,
    ParentRunId,
    RootWorkflowId,
    RootRunId,
}

impl SystemAttribute {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::WorkflowId,
        Self::RunId,
        Self::WorkflowType,
        Self::StartTime,
        Self::ExecutionTime,
        Self::CloseTime,
        Self::ExecutionStatus,
        Self::TaskQueue,
        Self::HistoryLength,
        Self::ExecutionDuration,
        Self::StateTransitionCount,
        Self::HistorySizeBytes,
        Self::ParentWorkflowId,
        Self::ParentRunId,
        Self::RootWorkflowId,
        Self::RootRunId,
    ];

    /// The name in queries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkflowId => "WorkflowId",
            Self::RunId => "RunId",
            Self::WorkflowType => "WorkflowType",
            Self::StartTime => "StartTime",
            Self::ExecutionTime => "ExecutionTime",
            Self::CloseTime => "CloseTime",
            Self::ExecutionStatus => "ExecutionStatus",
            Self::TaskQueue => "TaskQueue",
            Self::HistoryLength => "HistoryLength",
            Self::ExecutionDuration => "ExecutionDuration",
            Self::StateTransitionCount => "StateTransitionCount",
            Self::HistorySizeBytes => "HistorySizeBytes",
            Self::ParentWorkflowId => "ParentWorkflowId",
            Self::ParentRunId => "ParentRunId",
            Self::RootWorkflowId => "RootWorkflowId",
            Self::RootRunId => "RootRunId",
        }
    }

    /// The type that clients are told. In filters and rows the status is an [`AttributeType::Int`] all the same, the
    /// protocol's number of it, and the duration is in nanoseconds.
    #[must_use]
    pub fn value_type(self) -> AttributeType {
        match self {
            Self::StartTime | Self::ExecutionTime | Self::CloseTime => AttributeType::Datetime,
            Self::HistoryLength | Self::ExecutionDuration | Self::StateTransitionCount | Self::HistorySizeBytes => {
                AttributeType::Int
            }
            _ => AttributeType::Keyword,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }
}

/// The attribute that keeps schedules and the like out of ordinary lists.
pub const NAMESPACE_DIVISION: &str = "TemporalNamespaceDivision";

/// The prefix of names that belong to the system.
const RESERVED_PREFIX: &str = "Temporal";

/// Names of fields that are neither attributes nor free to be taken by one.
const RESERVED: [&str; 4] = ["NamespaceId", "Memo", "MemoEncoding", "VisibilityTaskKey"];

/// The attributes that exist in every namespace and travel together with the custom ones: name, type, and whether a
/// client may set them.
const PREDEFINED: [(&str, AttributeType, bool); 17] = [
    ("BatcherNamespace", AttributeType::Keyword, true),
    ("BatcherUser", AttributeType::Keyword, true),
    ("BinaryChecksums", AttributeType::KeywordList, true),
    ("BuildIds", AttributeType::KeywordList, true),
    ("TemporalChangeVersion", AttributeType::KeywordList, true),
    ("TemporalExternalPayloadCount", AttributeType::Int, false),
    ("TemporalExternalPayloadSizeBytes", AttributeType::Int, false),
    (NAMESPACE_DIVISION, AttributeType::Keyword, true),
    ("TemporalPauseInfo", AttributeType::KeywordList, true),
    ("TemporalReportedProblems", AttributeType::KeywordList, true),
    ("TemporalSchedulePaused", AttributeType::Bool, true),
    ("TemporalScheduledById", AttributeType::Keyword, true),
    ("TemporalScheduledStartTime", AttributeType::Datetime, true),
    ("TemporalUsedWorkerDeploymentVersions", AttributeType::KeywordList, false),
    ("TemporalWorkerDeployment", AttributeType::Keyword, false),
    ("TemporalWorkerDeploymentVersion", AttributeType::Keyword, false),
    ("TemporalWorkflowVersioningBehavior", AttributeType::Keyword, false),
];

/// The attributes that exist in every namespace beside the [`SystemAttribute`]s, in the order of their names.
pub fn predefined_attributes() -> impl Iterator<Item = (&'static str, AttributeType)> {
    PREDEFINED.into_iter().map(|(name, value_type, _)| (name, value_type))
}

/// Whether a custom search attribute must not have this name.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    is_fixed(name) || RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX)
}

/// Whether the name is the same attribute in every namespace.
fn is_fixed(name: &str) -> bool {
    SystemAttribute::named(name).is_some() || predefined(name).is_some()
}

fn predefined(name: &str) -> Option<(AttributeType, bool)> {
    PREDEFINED.into_iter().find(|entry| entry.0 == name).map(|(_, value_type, settable)| (value_type, settable))
}

/// What a name in a query stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// A field of the row.
    System(SystemAttribute),
    /// A search attribute of the row, custom or predefined. A row whose value has another type than this (the attribute
    /// was removed and made anew) has no value as far as the filter is concerned.
    Attribute {
        /// The name under which rows keep it.
        name: String,
        /// Its type.
        value_type: AttributeType,
    },
}

impl Field {
    /// The name of the attribute.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::System(attribute) => attribute.name(),
            Self::Attribute { name, .. } => name,
        }
    }

    /// The type of the attribute; see [`SystemAttribute::value_type`] for the status.
    #[must_use]
    pub fn value_type(&self) -> AttributeType {
        match self {
            Self::System(attribute) => attribute.value_type(),
            Self::Attribute { value_type, .. } => *value_type,
        }
    }

    /// Whether a row without a value counts, in comparisons and ranges but not in `IS NULL`, as having
    /// [`SearchValue::Datetime`](super::SearchValue::Datetime)`(i64::MAX)`. This is so for the close time only: what is
    /// open closes after everything that is closed.
    #[must_use]
    pub fn absent_is_last(&self) -> bool {
        matches!(self, Self::System(SystemAttribute::CloseTime))
    }
}

/// The names that one namespace knows, and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    custom: BTreeMap<String, AttributeType>,
    aliases: BTreeMap<String, Field>,
}

impl Attributes {
    /// The system's names and these custom search attributes.
    #[must_use]
    pub fn new(custom: BTreeMap<String, AttributeType>) -> Self {
        Self { custom, aliases: BTreeMap::new() }
    }

    /// With another name for something. Lists of other things than workflows have names of their own, such as
    /// `ActivityId`; an alias goes before the system's names, not before custom ones.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>, field: Field) -> Self {
        self.aliases.insert(alias.into(), field);
        self
    }

    /// The custom search attributes.
    #[must_use]
    pub fn custom(&self) -> &BTreeMap<String, AttributeType> {
        &self.custom
    }

    /// What a name in a query stands for. A name of the system is also found with its prefix `Temporal` left out or put
    /// before it; `ScheduleId` is the workflow id unless it is an attribute or alias.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Field> {
        if !is_fixed(name)
            && let Some(value_type) = self.custom.get(name)
        {
            return Some(Field::Attribute { name: name.to_owned(), value_type: *value_type });
        }
        if let Some(field) = self.aliases.get(name) {
            return Some(field.clone());
        }
        let bare = name.strip_prefix(RESERVED_PREFIX).unwrap_or(name);
        if bare == "ScheduleId" {
            return Some(Field::System(SystemAttribute::WorkflowId));
        }
        fixed_field(name).or_else(|| fixed_field(&format!("{RESERVED_PREFIX}{name}"))).or_else(|| fixed_field(bare))
    }

    /// The type of an attribute that travels in search attributes: a predefined or custom one.
    #[must_use]
    pub fn attribute_type(&self, name: &str) -> Option<AttributeType> {
        predefined(name).map(|(value_type, _)| value_type).or_else(|| self.custom.get(name).copied())
    }

    /// Defines attributes: names and numbers of the protocol's types. A name that is defined already stays as it is, whatever
    /// type is asked for now. Either all of them are accepted or none.
    pub fn add(&mut self, requested: &BTreeMap<String, i32>) -> Result<(), Rejection> {
        if requested.is_empty() {
            return Err(Rejection::invalid("SearchAttributes are not set on request."));
        }
        let mut added = Vec::new();
        for (name, number) in requested {
            if is_reserved(name) {
                return Err(Rejection::invalid(format!("Search attribute {name} is reserved by system.")));
            }
            if self.custom.contains_key(name) {
                continue;
            }
            let Some(value_type) = AttributeType::from_proto(*number) else {
                return Err(Rejection::invalid(format!("Unknown search attribute type: {number}.")));
            };
            added.push((name, value_type));
        }
        for (name, value_type) in added {
            self.custom.insert(name.clone(), value_type);
        }
        Ok(())
    }

    /// Forgets attributes. Unknown names are no error; those of the system are, and then nothing is forgotten.
    pub fn remove(&mut self, names: &[String]) -> Result<(), Rejection> {
        if names.is_empty() {
            return Err(Rejection::invalid("SearchAttributes are not set on request."));
        }
        if let Some(name) = names.iter().find(|name| is_fixed(name)) {
            return Err(Rejection::invalid(format!("Unable to remove non-custom search attributes: {name}.")));
        }
        self.custom.retain(|name, _| !names.contains(name));
        Ok(())
    }

    /// Whether a client may give this attribute a value. Unknown names are not refused here.
    pub(super) fn is_settable(name: &str) -> bool {
        SystemAttribute::named(name).is_none() && predefined(name).is_none_or(|(_, settable)| settable)
    }

    /// Whether the name is known without being a custom attribute.
    pub(super) fn is_fixed(name: &str) -> bool {
        is_fixed(name)
    }
}

fn fixed_field(name: &str) -> Option<Field> {
    if let Some(attribute) = SystemAttribute::named(name) {
        return Some(Field::System(attribute));
    }
    predefined(name).map(|(value_type, _)| Field::Attribute { name: name.to_owned(), value_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, value_type: AttributeType) -> Option<Field> {
        Some(Field::Attribute { name: name.to_owned(), value_type })
    }

    #[test]
    fn names_are_resolved_in_order() {
        let custom =
            [("Price", AttributeType::Double), ("WorkflowId", AttributeType::Int), ("Taken", AttributeType::Int)];
        let attributes = Attributes::new(custom.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect())
            .with_alias("ActivityId", Field::System(SystemAttribute::WorkflowId))
            .with_alias("Taken", Field::System(SystemAttribute::RunId));
        assert_eq!(attributes.resolve("Price"), attribute("Price", AttributeType::Double));
        assert_eq!(attributes.resolve("price"), None);
        assert_eq!(attributes.resolve("WorkflowId"), Some(Field::System(SystemAttribute::WorkflowId)));
        assert_eq!(attributes.resolve("Taken"), attribute("Taken", AttributeType::Int));
        assert_eq!(attributes.resolve("ActivityId"), Some(Field::System(SystemAttribute::WorkflowId)));
        assert_eq!(attributes.resolve("ScheduleId"), Some(Field::System(SystemAttribute::WorkflowId)));
        assert_eq!(attributes.resolve("TemporalScheduleId"), Some(Field::System(SystemAttribute::WorkflowId)));
        assert_eq!(attributes.resolve("ScheduledById"), attribute("TemporalScheduledById", AttributeType::Keyword));
        assert_eq!(attributes.resolve("TemporalBuildIds"), attribute("BuildIds", AttributeType::KeywordList));
        assert_eq!(attributes.resolve("Memo"), None);
        assert_eq!(attributes.resolve("NamespaceId"), None);
    }

    #[test]
    fn attributes_are_added_all_or_none() {
        let mut attributes = Attributes::default();
        let add = |attributes: &mut Attributes, requested: &[(&str, i32)]| {
            attributes
                .add(&requested.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect())
                .map_err(|rejection| rejection.message.into_owned())
        };
        assert_eq!(add(&mut attributes, &[("Price", 4)]), Ok(()));
        assert_eq!(add(&mut attributes, &[("Price", 2), ("Name", 2)]), Ok(()));
        let reserved = "Search attribute RunId is reserved by system.".to_owned();
        assert_eq!(add(&mut attributes, &[("Good", 2), ("RunId", 2)]), Err(reserved));
        assert_eq!(add(&mut attributes, &[("Foo", 77)]), Err("Unknown search attribute type: 77.".to_owned()));
        assert_eq!(add(&mut attributes, &[]), Err("SearchAttributes are not set on request.".to_owned()));
        let known: Vec<_> = attributes.custom().iter().map(|(name, value_type)| (name.as_str(), *value_type)).collect();
        assert_eq!(known, [("Name", AttributeType::Keyword), ("Price", AttributeType::Double)]);
    }

    #[test]
    fn only_custom_attributes_are_removed() {
        let mut attributes = Attributes::new([("One".to_owned(), AttributeType::Int)].into());
        let remove = |attributes: &mut Attributes, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            attributes.remove(&names).map_err(|rejection| rejection.message.into_owned())
        };
        let refused = "Unable to remove non-custom search attributes: RunId.".to_owned();
        assert_eq!(remove(&mut attributes, &["One", "RunId"]), Err(refused));
        assert_eq!(attributes.attribute_type("One"), Some(AttributeType::Int));
        assert_eq!(remove(&mut attributes, &["Nonsense"]), Ok(()));
        assert_eq!(remove(&mut attributes, &["One"]), Ok(()));
        assert_eq!(attributes.attribute_type("One"), None);
        assert!(remove(&mut attributes, &[]).is_err());
    }

    #[test]
    fn custom_attributes_cannot_take_names_of_the_system() {
        for name in ["WorkflowId", "BuildIds", "TemporalFoo", "NamespaceId", "Memo"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["ScheduleId", "workflowid", "Price"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}

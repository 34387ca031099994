//! A row of the visibility table as filters look at it: only what they ask for is read.

use std::cell::OnceCell;

use evertide_engine::visibility::{Field, NAMESPACE_DIVISION, Row, SearchValue, SystemAttribute, ValueRef};
use rusqlite::types;

use crate::visibility_rows::{SEARCH_ATTRIBUTES, rank, read_search_attributes};

/// A row that was selected with [`COLUMNS`](crate::visibility_rows::COLUMNS).
pub(crate) struct RowValues<'a> {
    row: &'a rusqlite::Row<'a>,
    search_attributes: OnceCell<rusqlite::Result<Vec<(String, SearchValue)>>>,
}

impl<'a> RowValues<'a> {
    pub(crate) fn of(row: &'a rusqlite::Row<'a>) -> Self {
        Self { row, search_attributes: OnceCell::new() }
    }

    /// Whether all that was asked for could be read. What could not has looked like no value.
    pub(crate) fn check(self) -> rusqlite::Result<()> {
        self.search_attributes.into_inner().transpose().map(drop)
    }

    fn keyword(&self, column: usize) -> Option<ValueRef<'_>> {
        match self.row.get_ref(column) {
            Ok(types::ValueRef::Text(text)) => std::str::from_utf8(text).ok().map(ValueRef::Keyword),
            _ => None,
        }
    }

    fn int(&self, column: usize) -> Option<i64> {
        match self.row.get_ref(column) {
            Ok(types::ValueRef::Integer(number)) => Some(number),
            _ => None,
        }
    }

    fn search_attribute(&self, name: &str) -> Option<ValueRef<'_>> {
        let read = || read_search_attributes(self.row, SEARCH_ATTRIBUTES);
        let mut attributes = self.search_attributes.get_or_init(read).as_ref().ok()?.iter();
        let (_, value) = attributes.find(|(attribute, _)| attribute == name)?;
        Some(value.as_value_ref())
    }
}

impl Row for RowValues<'_> {
    fn value(&self, field: &Field) -> Option<ValueRef<'_>> {
        match field {
            Field::Attribute { name, .. } if name == NAMESPACE_DIVISION => self.keyword(17),
            Field::Attribute { name, .. } => self.search_attribute(name),
            Field::System(attribute) => match attribute {
                SystemAttribute::CloseTime => {
                    self.int(1).map(rank).filter(|time_ns| *time_ns != i64::MAX).map(ValueRef::Datetime)
                }
                SystemAttribute::StartTime => self.int(2).map(rank).map(ValueRef::Datetime),
                SystemAttribute::RunId => self.keyword(3),
                SystemAttribute::WorkflowId => self.keyword(4),
                SystemAttribute::WorkflowType => self.keyword(5),
                SystemAttribute::TaskQueue => self.keyword(6),
                SystemAttribute::ExecutionStatus => self.int(7).map(ValueRef::Int),
                SystemAttribute::ExecutionTime => self.int(8).map(ValueRef::Datetime),
                SystemAttribute::HistoryLength => self.int(9).map(ValueRef::Int),
                SystemAttribute::HistorySizeBytes => self.int(10).map(ValueRef::Int),
                SystemAttribute::StateTransitionCount => self.int(11).map(ValueRef::Int),
                SystemAttribute::ExecutionDuration => self.int(12).map(ValueRef::Int),
                SystemAttribute::ParentWorkflowId => self.keyword(13),
                SystemAttribute::ParentRunId => self.keyword(14),
                SystemAttribute::RootWorkflowId => self.keyword(15),
                SystemAttribute::RootRunId => self.keyword(16),
            },
        }
    }
}

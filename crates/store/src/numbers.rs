//! Numbers that several writers give out without asking one another.
//!
//! A run key or a task id begins with the block of the writer that gave it out. So numbers of one writer ascend in the
//! order of its commits and never meet another writer's; between two writers their order means nothing.

use std::collections::BTreeMap;

use evertide_engine::slot::SlotSet;

use crate::batch::RunKey;

/// How many bits of a number a writer counts in; those above are its block.
pub const BLOCK_BITS: u32 = 40;

/// The block of the writer that gave out a number.
#[must_use]
pub fn block_of(number: i64) -> i64 {
    number >> BLOCK_BITS
}

/// The first number of a block. The numbers of block 0 begin at 1.
#[must_use]
pub fn first_in_block(block: i64) -> i64 {
    (block << BLOCK_BITS).max(1)
}

/// With what a writer begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenState {
    /// The slots that it owns.
    pub slots: SlotSet,
    /// The next run key of its block: above every one that was ever stored from it, deleted or not.
    pub next_run_key: RunKey,
    /// The next task id of its block, likewise.
    pub next_task_id: i64,
}

/// How far a backlog has been read: of each writer up to another task, since a task of one may be committed behind a
/// task of another whose id is higher.
///
/// It holds for the slots that were read with it. Whoever comes to own more reads those from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BacklogCursor {
    /// By block.
    read_to: BTreeMap<i64, i64>,
}

impl BacklogCursor {
    /// Takes note of a task that was read.
    pub fn advance(&mut self, task_id: i64) {
        let read_to = self.read_to.entry(block_of(task_id)).or_insert(task_id);
        *read_to = (*read_to).max(task_id);
    }

    /// Whether a task is behind it already.
    #[must_use]
    pub fn has_read(&self, task_id: i64) -> bool {
        self.read_to.get(&block_of(task_id)).is_some_and(|read_to| task_id <= *read_to)
    }

    /// The least id from a given one on that may be unread.
    #[must_use]
    pub fn unread_from(&self, task_id: i64) -> i64 {
        self.read_to.get(&block_of(task_id)).map_or(task_id, |read_to| task_id.max(read_to.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_tells_the_blocks_apart() {
        let mut cursor = BacklogCursor::default();
        let other = first_in_block(7);
        cursor.advance(5);
        cursor.advance(other + 3);
        cursor.advance(4);
        assert!(cursor.has_read(5) && !cursor.has_read(6) && cursor.has_read(other) && !cursor.has_read(other + 4));
        assert!(!cursor.has_read(first_in_block(3)));
        assert_eq!([1, 6, other, other + 9].map(|id| cursor.unread_from(id)), [6, 6, other + 4, other + 9]);
    }
}

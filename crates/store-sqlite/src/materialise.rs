//! Writes a layer of what is pending into the tables, in one transaction.

use std::collections::HashMap;

use evertide_store::{QueueKey, RunIdentity, RunKey, Wake};
use rusqlite::{Connection, OptionalExtension, params};

use crate::chunk;
use crate::pending::{
    InTables, Numbering, Pending, PendingCurrent, PendingName, PendingRecord, PendingRun, PendingSnapshot, PendingTask,
};
use crate::visibility_rows::{LISTED_KIND, VisibilityRows};

/// Runs within a transaction that the caller begins and commits.
pub(crate) fn materialise(connection: &Connection, pending: &Pending) -> rusqlite::Result<()> {
    let mut step = Step { connection, scopes: HashMap::new(), visibility: VisibilityRows::of(connection) };
    for (run_key, run) in &pending.runs {
        step.run(*run_key, run)?;
    }
    step.names(pending)?;
    step.backlog(pending)?;
    step.registry(pending)?;
    step.numbering(pending)?;
    step.visibility.finish()
}

/// The wake column of a run whose wake was written, or that is new.
fn due_ms(wake: Wake) -> Option<i64> {
    match wake {
        Wake::At(due_ms) => Some(due_ms),
        Wake::Keep | Wake::Never => None,
    }
}

struct Step<'a> {
    connection: &'a Connection,
    /// The numbers of the scopes met so far, by kind and namespace id.
    scopes: HashMap<u8, HashMap<String, i64>>,
    visibility: VisibilityRows<'a>,
}

impl Step<'_> {
    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(parameters)
    }

    /// The number of a namespace's kind, given out when it is first met.
    fn scope(&mut self, namespace_id: &str, kind: u8) -> rusqlite::Result<i64> {
        let known = self.scopes.get(&kind).and_then(|scopes| scopes.get(namespace_id));
        if let Some(scope) = known {
            return Ok(*scope);
        }
        let sql = "SELECT scope FROM scope WHERE namespace_id = ?1 AND kind = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let scope = statement.query_row(params![namespace_id, kind], |row| row.get(0)).optional()?;
        let scope = match scope {
            Some(scope) => scope,
            None => {
                let sql = "INSERT INTO scope (namespace_id, kind) VALUES (?1, ?2)";
                self.execute(sql, params![namespace_id, kind])?;
                self.connection.last_insert_rowid()
            }
        };
        self.scopes.entry(kind).or_default().insert(namespace_id.to_owned(), scope);
        Ok(scope)
    }

    fn run(&mut self, run_key: RunKey, run: &PendingRun) -> rusqlite::Result<()> {
        let scope = self.scope(&run.identity.namespace_id, run.identity.kind)?;
        if run.tables == InTables::Deleted {
            self.delete_run(run_key)?;
        }
        if !run.exists {
            return Ok(());
        }
        match run.tables {
            InTables::Earlier => self.update_run(run_key, run)?,
            InTables::Nothing | InTables::Deleted => self.insert_run(run_key, scope, run)?,
        }
        for (first, records) in chunk::chunks(&run.records) {
            let sql = "INSERT INTO history VALUES (?1, ?2, ?3, ?4)";
            self.execute(sql, params![run_key, first.first_event_id, first.position, records])?;
        }
        match &run.visibility {
            Some(row) => {
                let namespace = self.scope(&row.namespace_id, LISTED_KIND)?;
                self.visibility.put(namespace, row, run.tables == InTables::Earlier)
            }
            None => Ok(()),
        }
    }

    fn delete_run(&mut self, run_key: RunKey) -> rusqlite::Result<()> {
        self.execute("DELETE FROM history WHERE run_key = ?1", [run_key])?;
        self.execute("DELETE FROM run WHERE run_key = ?1", [run_key])?;
        self.visibility.delete(run_key)
    }

    fn insert_run(&self, run_key: RunKey, scope: i64, run: &PendingRun) -> rusqlite::Result<()> {
        let RunIdentity { id, run_id, .. } = &*run.identity;
        let snapshot = run.snapshot.as_ref();
        let values = params![
            run_key,
            scope,
            id,
            run_id,
            due_ms(run.wake),
            snapshot.map(|snapshot| snapshot.first_event_id),
            snapshot.map(|snapshot| snapshot.position),
            snapshot.map(|snapshot| &*snapshot.snapshot),
        ];
        self.execute("INSERT INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", values)?;
        Ok(())
    }

    fn update_run(&self, run_key: RunKey, run: &PendingRun) -> rusqlite::Result<()> {
        if run.wake != Wake::Keep {
            let sql = "UPDATE run SET wake_ms = ?2 WHERE run_key = ?1";
            self.execute(sql, params![run_key, due_ms(run.wake)])?;
        }
        if let Some(snapshot) = &run.snapshot {
            let PendingSnapshot { position, first_event_id, snapshot } = snapshot;
            let sql = "UPDATE run SET snapshot_first_event_id = ?2, snapshot_position = ?3, snapshot = ?4
                WHERE run_key = ?1";
            self.execute(sql, params![run_key, first_event_id, position, &**snapshot])?;
        }
        Ok(())
    }

    fn names(&mut self, pending: &Pending) -> rusqlite::Result<()> {
        for (namespace_id, kinds) in &pending.names {
            for (kind, names) in kinds {
                let is_changed =
                    |name: &PendingName| name.current != PendingCurrent::AsInTables || !name.not_current.is_empty();
                // In the order of their keys, which is cheaper for the table than the order of a hash map.
                let mut changed: Vec<_> = names.iter().filter(|(_, name)| is_changed(name)).collect();
                changed.sort_unstable_by_key(|(id, _)| *id);
                let scope = if changed.is_empty() { continue } else { self.scope(namespace_id, *kind)? };
                for (id, name) in changed {
                    self.current_run(scope, id, name)?;
                }
            }
        }
        Ok(())
    }

    fn current_run(&self, scope: i64, id: &str, name: &PendingName) -> rusqlite::Result<()> {
        match name.current {
            PendingCurrent::Run(run_key) => {
                let sql = "INSERT OR REPLACE INTO current_run VALUES (?1, ?2, ?3)";
                self.execute(sql, params![scope, id, run_key])?;
            }
            PendingCurrent::Nothing => {
                let sql = "DELETE FROM current_run WHERE scope = ?1 AND id = ?2";
                self.execute(sql, params![scope, id])?;
            }
            PendingCurrent::AsInTables => {
                for run_key in &name.not_current {
                    let sql = "DELETE FROM current_run WHERE scope = ?1 AND id = ?2 AND run_key = ?3";
                    self.execute(sql, params![scope, id, run_key])?;
                }
            }
        }
        Ok(())
    }

    fn backlog(&self, pending: &Pending) -> rusqlite::Result<()> {
        for (key, tasks) in &pending.backlog {
            if tasks.is_empty() {
                continue;
            }
            let queue = self.queue(key)?;
            let mut added = 0_i64;
            for (task_id, task) in tasks {
                // A task from here on cannot be in the table yet.
                let may_be_tabled = *task_id < pending.tabled.next_task_id;
                if may_be_tabled {
                    let sql = "DELETE FROM backlog WHERE queue = ?1 AND task_id = ?2";
                    added -= i64::from(self.execute(sql, [queue, *task_id])? > 0);
                }
                if let Some(PendingTask { slot, task }) = task {
                    let sql = "INSERT INTO backlog VALUES (?1, ?2, ?3, ?4)";
                    self.execute(sql, params![queue, task_id, &**task, slot.number()])?;
                    added += 1;
                }
            }
            let sql = "UPDATE queue SET task_count = task_count + ?2 WHERE queue = ?1";
            self.execute(sql, [queue, added])?;
        }
        Ok(())
    }

    fn queue(&self, key: &QueueKey) -> rusqlite::Result<i64> {
        let QueueKey { namespace_id, name, kind } = key;
        let sql = "INSERT INTO queue (namespace_id, name, kind, task_count) VALUES (?1, ?2, ?3, 0)
            ON CONFLICT DO NOTHING";
        self.execute(sql, params![namespace_id, name, kind])?;
        let sql = "SELECT queue FROM queue WHERE namespace_id = ?1 AND name = ?2 AND kind = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row(params![namespace_id, name, kind], |row| row.get(0))
    }

    fn registry(&self, pending: &Pending) -> rusqlite::Result<()> {
        for (kind, records) in &pending.registry {
            for (key, record) in records {
                match record {
                    Some(PendingRecord { value, version }) => {
                        let sql = "INSERT OR REPLACE INTO registry VALUES (?1, ?2, ?3, ?4)";
                        self.execute(sql, params![kind, key, &**value, version.cast_signed()])?;
                    }
                    None => {
                        let sql = "DELETE FROM registry WHERE kind = ?1 AND key = ?2";
                        self.execute(sql, params![kind, key])?;
                    }
                }
            }
        }
        Ok(())
    }

    fn numbering(&self, pending: &Pending) -> rusqlite::Result<()> {
        let Numbering { next_position, next_run_key, next_task_id, registry_version } = pending.numbering;
        let sql = "UPDATE numbering
            SET next_position = ?1, next_run_key = ?2, next_task_id = ?3, registry_version = ?4";
        self.execute(sql, [next_position, next_run_key, next_task_id, registry_version.cast_signed()])?;
        Ok(())
    }
}

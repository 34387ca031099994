//! Writes a layer of what is pending into the tables, in one transaction, and takes it out of the log.

use std::collections::HashMap;

use evertide_store::{QueueKey, RunIdentity, RunKey};
use rusqlite::{Connection, OptionalExtension, params};

use crate::chunk;
use crate::pending::{InTables, Pending, PendingCurrent, PendingRun, PendingSnapshot};
use crate::visibility_rows::VisibilityRows;

/// Runs within a transaction that the caller begins and commits.
pub(crate) fn materialise(connection: &Connection, pending: &Pending) -> rusqlite::Result<()> {
    let mut step = Step { connection, namespaces: HashMap::new(), visibility: VisibilityRows::of(connection) };
    for (run_key, run) in &pending.runs {
        step.run(*run_key, run)?;
    }
    step.names(pending)?;
    step.backlog(pending)?;
    step.registry(pending)?;
    step.numbering(pending)?;
    step.visibility.finish()
}

struct Step<'a> {
    connection: &'a Connection,
    /// The numbers of the namespaces met so far.
    namespaces: HashMap<String, i64>,
    visibility: VisibilityRows<'a>,
}

impl Step<'_> {
    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(parameters)
    }

    /// The number of a namespace, given out when it is first met.
    fn namespace(&mut self, namespace_id: &str) -> rusqlite::Result<i64> {
        if let Some(namespace) = self.namespaces.get(namespace_id) {
            return Ok(*namespace);
        }
        let sql = "SELECT namespace FROM namespace WHERE namespace_id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let namespace = statement.query_row([namespace_id], |row| row.get(0)).optional()?;
        let namespace = match namespace {
            Some(namespace) => namespace,
            None => {
                self.execute("INSERT INTO namespace (namespace_id) VALUES (?1)", [namespace_id])?;
                self.connection.last_insert_rowid()
            }
        };
        self.namespaces.insert(namespace_id.to_owned(), namespace);
        Ok(namespace)
    }

    fn run(&mut self, run_key: RunKey, run: &PendingRun) -> rusqlite::Result<()> {
        let namespace = self.namespace(&run.identity.namespace_id)?;
        if run.not_current && run.tables != InTables::Nothing {
            let sql = "DELETE FROM current_run WHERE namespace = ?1 AND workflow_id = ?2 AND run_key = ?3";
            self.execute(sql, params![namespace, run.identity.workflow_id, run_key])?;
        }
        if run.tables == InTables::Deleted {
            self.delete_run(run_key)?;
        }
        if !run.exists {
            return Ok(());
        }
        match run.tables {
            InTables::Earlier => self.update_run(run_key, run)?,
            InTables::Nothing | InTables::Deleted => self.insert_run(run_key, namespace, run)?,
        }
        for (first, records) in chunk::chunks(&run.records) {
            let sql = "INSERT INTO history VALUES (?1, ?2, ?3, ?4)";
            self.execute(sql, params![run_key, first.first_event_id, first.position, records])?;
        }
        match &run.visibility {
            Some(row) => {
                let namespace = self.namespace(&row.namespace_id)?;
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

    fn insert_run(&self, run_key: RunKey, namespace: i64, run: &PendingRun) -> rusqlite::Result<()> {
        let RunIdentity { workflow_id, run_id, .. } = &*run.identity;
        let snapshot = run.snapshot.as_ref();
        let values = params![
            run_key,
            namespace,
            workflow_id,
            run_id,
            run.wake.flatten(),
            snapshot.map(|snapshot| snapshot.first_event_id),
            snapshot.map(|snapshot| snapshot.position),
            snapshot.map(|snapshot| &*snapshot.snapshot),
        ];
        self.execute("INSERT INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", values)?;
        Ok(())
    }

    fn update_run(&self, run_key: RunKey, run: &PendingRun) -> rusqlite::Result<()> {
        if let Some(wake_ms) = run.wake {
            let sql = "UPDATE run SET wake_ms = ?2 WHERE run_key = ?1";
            self.execute(sql, params![run_key, wake_ms])?;
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
        let names = pending.names.iter();
        let names = names.flat_map(|(namespace_id, names)| names.iter().map(move |name| (namespace_id, name)));
        let changed = names.filter(|(_, (_, name))| name.current != PendingCurrent::AsInTables);
        // In the order of their keys, which is cheaper for the table than the order of a hash map.
        let mut changed: Vec<_> = changed.map(|(namespace_id, (id, name))| (namespace_id, id, name.current)).collect();
        changed.sort_unstable_by_key(|(namespace_id, workflow_id, _)| (*namespace_id, *workflow_id));
        for (namespace_id, workflow_id, current) in changed {
            let namespace = self.namespace(namespace_id)?;
            match current {
                PendingCurrent::Run(run_key) => {
                    let sql = "INSERT OR REPLACE INTO current_run VALUES (?1, ?2, ?3)";
                    self.execute(sql, params![namespace, workflow_id, run_key])?;
                }
                PendingCurrent::Nothing | PendingCurrent::AsInTables => {
                    let sql = "DELETE FROM current_run WHERE namespace = ?1 AND workflow_id = ?2";
                    self.execute(sql, params![namespace, workflow_id])?;
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
                let may_be_tabled = *task_id < pending.tabled.open_state.next_task_id;
                if may_be_tabled {
                    let sql = "DELETE FROM backlog WHERE queue = ?1 AND task_id = ?2";
                    added -= i64::from(self.execute(sql, [queue, *task_id])? > 0);
                }
                if let Some(task) = task {
                    let sql = "INSERT INTO backlog VALUES (?1, ?2, ?3)";
                    self.execute(sql, params![queue, task_id, &**task])?;
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
            for (key, value) in records {
                match value {
                    Some(value) => {
                        let sql = "INSERT OR REPLACE INTO registry VALUES (?1, ?2, ?3)";
                        self.execute(sql, params![kind, key, &**value])?;
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
        let numbering = pending.numbering;
        let sql = "UPDATE numbering SET next_position = ?1, next_run_key = ?2, next_task_id = ?3";
        let open_state = numbering.open_state;
        self.execute(sql, [numbering.next_position, open_state.next_run_key, open_state.next_task_id])?;
        self.execute("DELETE FROM log WHERE position < ?1", [numbering.next_position])?;
        Ok(())
    }
}

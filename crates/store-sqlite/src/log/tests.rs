//! The log on a disk that is told how to fail.

use std::sync::Arc;

use evertide_store::StoreError;

use super::files::Files;
use super::rigged::RiggedFiles;
use super::{Log, LogId, Logged};

fn open(disk: &RiggedFiles, tabled: i64) -> Result<(Log, Vec<Logged>), StoreError> {
    Log::open(Arc::new(disk.clone()), "the log", LogId { id: 1, is_new: false }, tabled, None)
}

#[test]
fn what_another_database_has_left_is_not_taken_for_ours() {
    let disk = RiggedFiles::new(4);
    let (mut log, _) = open(&disk, 1).unwrap();
    append(&mut log, 1).unwrap();
    let other = |is_new| Log::open(Arc::new(disk.clone()), "the log", LogId { id: 2, is_new }, 1, None);
    assert!(matches!(other(false), Err(StoreError::NotOurs { .. })));
    let (mut log, logged) = other(true).unwrap();
    assert!(logged.is_empty());
    append(&mut log, 1).unwrap();
    assert_eq!(other(false).unwrap().1.len(), 1);
}

fn append(log: &mut Log, position: i64) -> Result<(), StoreError> {
    log.append(position, position + 1, |buffer| buffer.extend_from_slice(format!("batch {position}").as_bytes()))
}

/// Positions that are found when the log is opened.
fn positions(disk: &RiggedFiles, tabled: i64) -> Vec<i64> {
    let (_, logged) = open(disk, tabled).unwrap();
    for Logged { position, batch } in &logged {
        assert_eq!(**batch, *format!("batch {position}").as_bytes());
    }
    logged.iter().map(|logged| logged.position).collect()
}

#[test]
fn an_append_is_one_sync_and_survives_a_loss_of_power() {
    let disk = RiggedFiles::new(1);
    let (mut log, _) = open(&disk, 1).unwrap();
    for position in 1..=5 {
        append(&mut log, position).unwrap();
        assert_eq!(disk.syncs(), usize::try_from(position).unwrap());
    }
    drop(log);
    disk.lose_power();
    assert_eq!(positions(&disk, 1), [1, 2, 3, 4, 5]);
}

#[test]
fn files_are_used_again_and_what_they_held_is_gone() {
    let disk = RiggedFiles::new(2);
    let (mut log, _) = open(&disk, 1).unwrap();
    for position in 1..=200 {
        append(&mut log, position).unwrap();
        if position % 3 == 0 {
            log.fill();
        }
        if position % 10 == 0 {
            for number in log.release(position - 3) {
                disk.remove(number).unwrap();
            }
            assert!(disk.numbers().len() <= 7, "{:?}", disk.numbers());
            assert_eq!(positions(&disk, position - 2), [position - 2, position - 1, position]);
        }
    }
    assert!(log.size_bytes() > 0);
    log.fill();
    let _ = log.release(201);
    assert_eq!(log.size_bytes(), 0);
    assert!(positions(&disk, 201).is_empty());
}

#[test]
fn nothing_comes_of_an_append_that_was_told_as_failed() {
    for seed in 0..200 {
        let disk = RiggedFiles::new(seed);
        let (mut log, _) = open(&disk, 1).unwrap();
        let mut next = 1;
        for _ in 0..30 {
            disk.fail_now_and_then();
            match append(&mut log, next) {
                Ok(()) => next += 1,
                Err(StoreError::Unavailable { .. }) => {}
                Err(StoreError::Unknown { .. }) => {
                    assert!(append(&mut log, next).is_err());
                    disk.heal();
                    log.cut_what_was_left().unwrap();
                }
                Err(other) => panic!("{other}"),
            }
            disk.heal();
            if next % 5 == 0 {
                log.fill();
            }
            if next % 7 == 0 {
                drop(log);
                disk.lose_power();
                assert_eq!(positions(&disk, 1), (1..next).collect::<Vec<_>>(), "seed {seed}");
                log = open(&disk, 1).unwrap().0;
            }
        }
    }
}

#[test]
fn a_damaged_middle_is_reported_and_a_torn_end_is_cut() {
    let disk = RiggedFiles::new(3);
    let (mut log, _) = open(&disk, 1).unwrap();
    for position in 1..=6 {
        append(&mut log, position).unwrap();
        if position == 3 {
            log.fill();
        }
    }
    drop(log);
    let whole = disk.copy();
    let damaged = |number: u32, change: &dyn Fn(&mut Vec<u8>)| {
        let disk = whole.copy();
        disk.damage(number, |file| change(file));
        open(&disk, 1).map(|(_, logged)| logged.len())
    };
    assert_eq!(damaged(1, &|file| file.truncate(file.len() - 3)).unwrap(), 5, "the end is torn");
    assert_eq!(damaged(1, &|file| *file.last_mut().unwrap() ^= 1).unwrap(), 5);
    for (number, what, change) in [
        (0, "the first file is cut", &(|file: &mut Vec<u8>| file.truncate(file.len() - 3)) as &dyn Fn(&mut Vec<u8>)),
        (0, "a header", &|file| file[2] ^= 1),
        (1, "a header", &|file| file[9] ^= 1),
        (0, "a batch in the middle", &|file| file[70] ^= 1),
        (1, "a batch before the last", &|file| file[70] ^= 1),
        (0, "a file is gone", &|file| file.clear()),
    ] {
        let outcome = damaged(number, change);
        assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{number}, {what}: {outcome:?}");
    }
    whole.damage(0, |file| file[70] ^= 1);
    assert_eq!(positions(&whole, 4), [4, 5, 6], "what the tables have may be damaged");
}

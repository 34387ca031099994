//! The log: what was committed and is not in the tables yet, in files of its own.
//!
//! A commit is one append to a file and one sync of it, and waits for nothing else: the tables are written at the same
//! time by somebody else, in another file. The files are used one after another, a new one for each layer of what is
//! pending; when the tables have everything in a file, it is kept for the next use, whose syncs then change no metadata
//! of the file system. The form of a file is in `segment`.
//!
//! One append is under way at a time, so that a crash damages the last one at most. That is cut off when the log is
//! opened; damage anywhere else is reported, and nothing behind it is served.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use evertide_store::StoreError;

use crate::error::corrupt;

pub(crate) mod files;
mod segment;

pub(crate) use segment::random;

use files::{Files, LogFile};
use segment::{Contents, Header};

/// How many files are kept for their next use.
const SPARE_FILES: usize = 2;

/// The log of one store.
#[derive(Debug)]
pub(crate) struct Log {
    files: Arc<dyn Files>,
    location: String,
    /// Tells its files from those of another database that had the same name.
    id: i64,
    /// Those that hold what the tables lack, in the order of what is in them.
    segments: VecDeque<Segment>,
    /// Whether the next append begins another segment.
    is_full: bool,
    /// Files that hold nothing of use.
    spare: Vec<(u32, Box<dyn LogFile>)>,
    next_number: u32,
    /// Why an append has failed, if what it may have left is still there.
    left_behind: Option<String>,
    size_limit_bytes: Option<u64>,
    /// Kept from append to append.
    buffer: Vec<u8>,
}

/// One use of a file.
#[derive(Debug)]
struct Segment {
    number: u32,
    file: Box<dyn LogFile>,
    header: Header,
    /// What was appended and synced.
    length: u64,
    next_position: i64,
}

/// What identifies a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogId {
    pub(crate) id: i64,
    /// Whether it was drawn just now.
    pub(crate) is_new: bool,
}

/// A batch in the log, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    /// The position of its first write.
    pub(crate) position: i64,
    pub(crate) batch: Bytes,
}

impl Log {
    /// Opens the log. Gives everything in it that the tables lack, which have all positions before `tabled`. A new database
    /// has no log yet: what lies there is left from another one, which is gone.
    pub(crate) fn open(
        files: Arc<dyn Files>,
        location: &str,
        LogId { id, is_new }: LogId,
        tabled: i64,
        size_limit_bytes: Option<u64>,
    ) -> Result<(Self, Vec<Logged>), StoreError> {
        let mut log = Self {
            files,
            id,
            location: location.to_owned(),
            segments: VecDeque::new(),
            is_full: true,
            spare: Vec::new(),
            next_number: 0,
            left_behind: None,
            size_limit_bytes,
            buffer: Vec::new(),
        };
        let mut found = log.read_files(tabled).map_err(|error| log.unavailable("read the log", &error))??;
        if found.iter().any(|(segment, _)| segment.header.log_id != id) {
            if !is_new {
                let reason = "the log beside it belongs to another database".to_owned();
                return Err(StoreError::NotOurs { location: location.to_owned(), reason });
            }
            tracing::warn!(location, "the log beside a new database is left from another one; it is not used");
            log.spare.extend(found.drain(..).map(|(segment, _)| (segment.number, segment.file)));
        }
        found.sort_by_key(|(_, read)| read.first_position);
        let logged = log.take_up(found, tabled)?;
        Ok((log, logged))
    }

    fn unavailable(&self, action: &'static str, error: &io::Error) -> StoreError {
        StoreError::Unavailable { action, reason: format!("{}: {error}", self.location) }
    }

    /// The files with something in them. The others become spare ones.
    fn read_files(&mut self, tabled: i64) -> io::Result<Result<Vec<(Segment, segment::Segment)>, StoreError>> {
        let mut found = Vec::new();
        for number in self.files.list()? {
            self.next_number = number + 1;
            let mut file = self.files.open(number)?;
            match segment::read(file.read_all()?, tabled) {
                Contents::Nothing => self.spare.push((number, file)),
                Contents::Damaged => return Ok(Err(self.damaged(number, "its beginning makes no sense"))),
                Contents::Segment(read) => {
                    let next_position = read.frames.last().map_or(read.first_position, |frame| frame.next_position);
                    let header = read.header;
                    let length = read.length as u64;
                    found.push((Segment { number, file, header, length, next_position }, read));
                }
            }
        }
        Ok(Ok(found))
    }

    fn damaged(&self, number: u32, reason: &str) -> StoreError {
        corrupt(&self.location, format!("file {number} of the log is damaged: {reason}"))
    }

    fn take_up(&mut self, found: Vec<(Segment, segment::Segment)>, tabled: i64) -> Result<Vec<Logged>, StoreError> {
        let mut logged = Vec::new();
        let mut expected = tabled;
        let last = found.len().saturating_sub(1);
        for (place, (mut segment, read)) in found.into_iter().enumerate() {
            if read.is_damaged {
                return Err(self.damaged(segment.number, "there is more behind what cannot be read"));
            }
            for frame in read.frames.into_iter().filter(|frame| frame.next_position > tabled) {
                if frame.position != expected {
                    let reason = format!("it goes on at {} and not at {expected}", frame.position);
                    return Err(self.damaged(segment.number, &reason));
                }
                expected = frame.next_position;
                logged.push(Logged { position: frame.position, batch: frame.batch });
            }
            if segment.next_position <= tabled {
                self.spare.push((segment.number, segment.file));
                continue;
            }
            if place == last {
                let cut = segment.file.set_length(segment.length).and_then(|()| segment.file.sync());
                cut.map_err(|error| self.unavailable("cut the log", &error))?;
            }
            self.segments.push_back(segment);
        }
        self.remove_spare();
        Ok(logged)
    }

    fn remove_spare(&mut self) {
        for (number, _) in self.spare.split_off(self.spare.len().min(SPARE_FILES)) {
            // It holds nothing; the next opening finds it again.
            let _ = self.files.remove(number);
        }
    }

    /// Makes a batch durable, whose writes have the positions from `position` up to `next_position`. `encode` appends it
    /// to a buffer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it is not durable and never will be, [`StoreError::Unknown`] when that cannot be
    /// said, and from then on until [`cut_what_was_left`](Self::cut_what_was_left) has succeeded.
    pub(crate) fn append(
        &mut self,
        position: i64,
        next_position: i64,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StoreError> {
        if let Some(reason) = &self.left_behind {
            return Err(StoreError::Unknown { reason: reason.clone() });
        }
        self.begin_segment(position)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let size_bytes = self.size_bytes();
        let Some(segment) = self.segments.back_mut() else {
            unreachable!("it was begun above");
        };
        if segment.length == 0 {
            segment.header.encode(&mut buffer);
        }
        segment.header.encode_frame(position, next_position, &mut buffer, encode);
        let length = buffer.len() as u64;
        if self.size_limit_bytes.is_some_and(|limit| size_bytes + length > limit) {
            self.buffer = buffer;
            let reason = format!("{}: the log has reached its limit", self.location);
            return Err(StoreError::Unavailable { action: "write to the log", reason });
        }
        let written = segment.file.write_at(segment.length, &buffer).and_then(|()| segment.file.sync());
        self.buffer = buffer;
        match written {
            Ok(()) => {
                segment.length += length;
                segment.next_position = next_position;
                Ok(())
            }
            Err(error) => {
                let error = self.unavailable("write to the log", &error);
                self.left_behind = Some(error.to_string());
                self.cut_what_was_left()?;
                Err(error)
            }
        }
    }

    fn begin_segment(&mut self, position: i64) -> Result<(), StoreError> {
        if !self.is_full {
            return Ok(());
        }
        let (number, file) = match self.spare.pop() {
            Some(spare) => spare,
            None => {
                let number = self.next_number;
                let file =
                    self.files.open(number).map_err(|error| self.unavailable("begin a file of the log", &error))?;
                self.next_number += 1;
                (number, file)
            }
        };
        let header = Header::new(self.id, position);
        self.segments.push_back(Segment { number, file, header, length: 0, next_position: position });
        self.is_full = false;
        Ok(())
    }

    /// Takes away what a failed append may have left: it was told as failed, and nothing may come of it.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if that cannot be done, so that a crash may bring it back.
    pub(crate) fn cut_what_was_left(&mut self) -> Result<(), StoreError> {
        let Some(reason) = &self.left_behind else {
            return Ok(());
        };
        if let Some(segment) = self.segments.back_mut() {
            let cut = segment.file.set_length(segment.length).and_then(|()| segment.file.sync());
            cut.map_err(|error| StoreError::Unknown { reason: format!("{reason}; and then: {error}") })?;
        }
        self.left_behind = None;
        Ok(())
    }

    /// Lets the next append begin another file.
    pub(crate) fn fill(&mut self) {
        self.is_full = true;
    }

    /// The tables have everything before a position, durably. Gives the numbers of files to be removed.
    #[must_use]
    pub(crate) fn release(&mut self, tabled: i64) -> Vec<u32> {
        while let Some(segment) = self.segments.front() {
            let is_open = self.segments.len() == 1 && !self.is_full;
            if is_open || segment.next_position > tabled {
                break;
            }
            self.spare.extend(self.segments.pop_front().map(|segment| (segment.number, segment.file)));
        }
        let surplus = self.spare.split_off(self.spare.len().min(SPARE_FILES));
        surplus.into_iter().map(|(number, _)| number).collect()
    }

    /// How much is in it that the tables lack, or lacked when it was last released.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }

    pub(crate) fn set_size_limit(&mut self, size_limit_bytes: Option<u64>) {
        self.size_limit_bytes = size_limit_bytes;
    }
}

#[cfg(test)]
pub(crate) mod rigged;
#[cfg(test)]
mod tests;

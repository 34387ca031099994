//! Files in memory that fail when they are told to, and lose at a loss of power what was not synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::files::{Files, LogFile};

/// A disk. Copies are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct RiggedFiles(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct Disk {
    files: BTreeMap<u32, Contents>,
    random: u64,
    /// The next write stops halfway.
    fails_write: bool,
    /// The next sync fails, though what it was to sync may be on the disk.
    fails_sync: bool,
    /// No length can be set.
    fails_cut: bool,
    syncs: usize,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    written: Vec<u8>,
    synced: Vec<u8>,
}

fn broken() -> io::Error {
    io::Error::other("the test says so")
}

impl Disk {
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn file(&mut self, number: u32) -> &mut Contents {
        self.files.entry(number).or_default()
    }
}

impl RiggedFiles {
    pub(crate) fn new(seed: u64) -> Self {
        let (files, random) = (BTreeMap::new(), seed);
        Self(Arc::new(Mutex::new(Disk {
            files,
            random,
            fails_write: false,
            fails_sync: false,
            fails_cut: false,
            syncs: 0,
        })))
    }

    /// Another disk with the same on it.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(0);
        copy.0.lock().files.clone_from(&self.0.lock().files);
        copy
    }

    /// One operation in a few fails, or two.
    pub(crate) fn fail_now_and_then(&self) {
        let mut disk = self.0.lock();
        disk.fails_write = disk.below(6) == 0;
        disk.fails_sync = disk.below(6) == 0;
        disk.fails_cut = disk.below(3) == 0;
    }

    pub(crate) fn heal(&self) {
        let mut disk = self.0.lock();
        (disk.fails_write, disk.fails_sync, disk.fails_cut) = (false, false, false);
    }

    /// Of what was written and not synced, any part may be there.
    pub(crate) fn lose_power(&self) {
        let mut disk = self.0.lock();
        let numbers: Vec<_> = disk.files.keys().copied().collect();
        for number in numbers {
            let Contents { written, synced } = disk.file(number).clone();
            let same = written.iter().zip(&synced).take_while(|(a, b)| a == b).count();
            let end = same + usize::try_from(disk.below((written.len() - same) as u64 + 1)).unwrap();
            let rest = synced.get(end..).unwrap_or_default();
            let left = [&written[..end], rest].concat();
            *disk.file(number) = Contents { written: left.clone(), synced: left };
        }
    }

    pub(crate) fn syncs(&self) -> usize {
        self.0.lock().syncs
    }

    /// Changes what is on the disk.
    pub(crate) fn damage(&self, number: u32, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.0.lock();
        let file = disk.file(number);
        change(&mut file.written);
        file.synced = file.written.clone();
    }

    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.0.lock().files.keys().copied().collect()
    }
}

impl Files for RiggedFiles {
    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.numbers())
    }

    fn open(&self, number: u32) -> io::Result<Box<dyn LogFile>> {
        self.0.lock().file(number);
        Ok(Box::new(RiggedFile { disk: self.clone(), number }))
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        self.0.lock().files.remove(&number);
        Ok(())
    }
}

#[derive(Debug)]
struct RiggedFile {
    disk: RiggedFiles,
    number: u32,
}

impl LogFile for RiggedFile {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.disk.0.lock().file(self.number).written.clone())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        let fails = std::mem::take(&mut disk.fails_write);
        let length = if fails { usize::try_from(disk.below(bytes.len() as u64)).unwrap() } else { bytes.len() };
        let file = disk.file(self.number);
        let offset = usize::try_from(offset).unwrap();
        file.written.resize(file.written.len().max(offset + length), 0);
        file.written[offset..offset + length].copy_from_slice(&bytes[..length]);
        if fails { Err(broken()) } else { Ok(()) }
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        if disk.fails_cut {
            return Err(broken());
        }
        disk.file(self.number).written.resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        disk.syncs += 1;
        let fails = std::mem::take(&mut disk.fails_sync);
        if fails && disk.below(2) == 0 {
            return Err(broken());
        }
        let file = disk.file(self.number);
        file.synced = file.written.clone();
        if fails { Err(broken()) } else { Ok(()) }
    }
}

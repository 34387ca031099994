//! What the log wants of a file system, so that tests can put one in its place that fails or forgets.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The files of one log, by number.
pub(crate) trait Files: Debug + Send + Sync {
    /// The numbers of the files that are there.
    fn list(&self) -> io::Result<Vec<u32>>;

    /// Opens a file, or makes it, so that it is found again after a loss of power.
    fn open(&self, number: u32) -> io::Result<Box<dyn LogFile>>;

    fn remove(&self, number: u32) -> io::Result<()>;
}

/// One file of a log.
pub(crate) trait LogFile: Debug + Send {
    fn read_all(&mut self) -> io::Result<Vec<u8>>;

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    fn set_length(&mut self, length: u64) -> io::Result<()>;

    /// Comes back when everything written survives a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// Files beside a database, named as it is with `.log-` and a number behind.
#[derive(Debug)]
pub(crate) struct DiskFiles {
    folder: PathBuf,
    prefix: String,
}

impl DiskFiles {
    pub(crate) fn beside(database: &Path) -> Self {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = database.file_name().unwrap_or_default().to_string_lossy();
        Self { folder: folder.unwrap_or(Path::new(".")).to_owned(), prefix: format!("{name}.log-") }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{}{number}", self.prefix))
    }
}

impl Files for DiskFiles {
    fn list(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&self.prefix)?.parse::<u32>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn open(&self, number: u32) -> io::Result<Box<dyn LogFile>> {
        let path = self.path(number);
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if is_new && cfg!(unix) {
            // The name of a file is its folder's, and is synced with it; elsewhere it is synced with the file.
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(Box::new(DiskFile(file)))
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        std::fs::remove_file(self.path(number))
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl LogFile for DiskFile {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.seek(SeekFrom::Start(0))?;
        self.0.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.write_all(bytes)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        // On Linux this is fdatasync, on macOS F_FULLFSYNC: an ordinary sync there leaves data in the cache of the disk.
        self.0.sync_data()
    }
}

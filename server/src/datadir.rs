//! The data directory.
//!
//! ```text
//!  vireo.lock     locked while a server runs; its process number
//!  version        "vireo 1": what wrote the rest
//!  wal.vol        the log's volume
//!  data.vol       the pages' volume
//!  admin.sock     the admin interface of the running server
//!  topology.toml  optional: which functions there are
//! ```
//!
//! Invariants:
//! 1. Nothing in the directory is touched without the lock. The kernel lets go of it when the process
//!    ends, however it ends; the number in the file is for people.
//! 2. `version` is written, and on disk, before there is a volume; a temporary directory's need not be on disk.

use crate::error::Error;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What this program writes into `version`.
const VERSION: &str = "vireo 1\n";

/// A data directory that is locked.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Locks the directory, which is made if it does not exist. One that is temporary is not opened again.
    ///
    /// # Errors
    /// Another server has it, another version wrote it, or it cannot be read or made.
    pub fn open(path: &Path, temporary: bool) -> Result<DataDir, Error> {
        let failed = |source| Error::DataDir {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(failed)?;
        let lock = take_lock(path)?;
        check_version(path, temporary)?;
        Ok(DataDir {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The log's volume.
    pub fn wal(&self) -> PathBuf {
        self.path.join("wal.vol")
    }

    /// The pages' volume.
    pub fn data(&self) -> PathBuf {
        self.path.join("data.vol")
    }

    /// The topology, if there is one.
    pub fn topology(&self) -> Option<PathBuf> {
        let file = self.path.join("topology.toml");
        file.exists().then_some(file)
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        admin_socket(&self.path)
    }
}

/// The admin socket of the server that runs on a data directory.
pub fn admin_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

fn take_lock(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::DataDir {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut lock = options.open(path.join("vireo.lock")).map_err(failed)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut process = String::new();
            // Without the number the message says less.
            let _ = lock.read_to_string(&mut process);
            return Err(Error::DataDirInUse {
                path: path.to_owned(),
                process: process.trim().to_owned(),
            });
        }
        Err(error) => return Err(failed(error.into())),
    }
    let write = |lock: &mut File| {
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())
    };
    write(&mut lock).map_err(failed)?;
    Ok(lock)
}

fn check_version(path: &Path, temporary: bool) -> Result<(), Error> {
    let failed = |source| Error::DataDir {
        path: path.to_owned(),
        source,
    };
    let file = path.join("version");
    match fs::read(&file) {
        Ok(found) if found == VERSION.as_bytes() => Ok(()),
        Ok(found) => Err(Error::DataDirVersion {
            path: path.to_owned(),
            found: String::from_utf8_lossy(&found[..found.len().min(64)])
                .trim()
                .to_owned(),
            wanted: VERSION.trim(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if path.join("data.vol").exists() || path.join("wal.vol").exists() {
                return Err(Error::DataDirVersion {
                    path: path.to_owned(),
                    found: String::new(),
                    wanted: VERSION.trim(),
                });
            }
            let written = match temporary {
                true => fs::write(&file, VERSION),
                false => write_version(path, &file),
            };
            written.map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn write_version(directory: &Path, file: &Path) -> std::io::Result<()> {
    let temporary = file.with_extension("new");
    let mut new = File::create(&temporary)?;
    new.write_all(VERSION.as_bytes())?;
    new.sync_all()?;
    fs::rename(&temporary, file)?;
    File::open(directory)?.sync_all()
}

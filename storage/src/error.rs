//! What reading can meet.

use alloc::boxed::Box;
use alloc::format;
use vireo_abi::ids::PageId;
use vireo_abi::message::error::{SqlError, state};

/// Why a read did not give a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Storage has not published anything yet: the reader came first, or storage is recovering.
    #[error("the database system is starting up")]
    NotReady,
    /// The page is not in the pool; storage can be asked for it. The operation may be repeated then.
    #[error("page {0} is not in memory")]
    Miss(PageId),
    /// The page is not what it should be.
    #[error("page {page} is damaged: {what}")]
    Corrupt {
        /// The page.
        page: PageId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The memory given is not a pool of this version.
    #[error("not a pool: {what}")]
    Foreign {
        /// What is wrong with it.
        what: &'static str,
    },
    /// No memory for a value of that size.
    #[error("out of memory for a value of {bytes} bytes")]
    OutOfMemory {
        /// The value's length.
        bytes: usize,
    },
}

impl ReadError {
    /// The SQLSTATE that the user sees.
    pub fn sqlstate(&self) -> &'static [u8; 5] {
        match self {
            ReadError::NotReady => state::CANNOT_CONNECT_NOW,
            ReadError::Miss(_) => state::INTERNAL_ERROR,
            ReadError::Corrupt { .. } | ReadError::Foreign { .. } => state::DATA_CORRUPTED,
            ReadError::OutOfMemory { .. } => state::OUT_OF_MEMORY,
        }
    }

    /// Whether the same read can succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, ReadError::NotReady | ReadError::Miss(_))
    }
}

impl From<ReadError> for Box<SqlError> {
    fn from(error: ReadError) -> Self {
        SqlError::new(error.sqlstate(), format!("{error}"))
    }
}

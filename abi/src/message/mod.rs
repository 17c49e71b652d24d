//! What crosses each edge. Each edge has its own pair of types.
//!
//! A message is a *head*, an rkyv archive of one of these types, and a *body*, bytes that the
//! head describes (SQL text, a plan, rows, a write set). Both are copied in by the link, the head
//! is validated ([`decode`]), and only then used.
//!
//! | edge | request | its body | reply | its body |
//! |---|---|---|---|---|
//! | gateway → parse | [`parse::ParseRequest`] | SQL text | [`parse::ParseReply`] | plan |
//! | gateway → execute | [`execute::ExecuteRequest`] | parameters, plan, COPY data | [`execute::ExecuteReply`] | rows |
//! | execute → storage | [`storage::StorageRequest`] | write set | [`storage::StorageReply`] | none |
//! | bench → ping | none | [`ping::PingRequest`] | none | nanoseconds |

pub mod error;
pub mod execute;
pub mod parse;
pub mod ping;
pub mod storage;

use alloc::vec::Vec;
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::rancor::Error;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;

/// The head of a message, encoded.
///
/// # Panics
/// Never for the types of this module: they hold nothing that cannot be archived.
pub fn encode<T>(head: &T) -> AlignedVec
where
    T: for<'a> rkyv::Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>,
{
    rkyv::to_bytes::<Error>(head).expect("a message holds nothing that cannot be archived")
}

/// The head of a message, validated and taken apart.
///
/// # Errors
/// [`Malformed`] when the bytes are not an archive of `T`: the peer is broken or hostile.
pub fn decode<T>(head: &[u8]) -> Result<T, Malformed>
where
    T: rkyv::Archive,
    T::Archived: for<'a> rkyv::bytecheck::CheckBytes<HighValidator<'a, Error>>
        + rkyv::Deserialize<T, HighDeserializer<Error>>,
{
    rkyv::from_bytes::<T, Error>(head).map_err(|_| Malformed { length: head.len() })
}

/// A message that is not what its edge carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed message of {length} bytes")]
pub struct Malformed {
    /// Bytes of the head.
    pub length: usize,
}

/// A message, owned: what an outbox holds.
#[derive(Clone, Debug)]
pub struct Message {
    /// The encoded head.
    pub head: AlignedVec,
    /// The body.
    pub body: Vec<u8>,
}

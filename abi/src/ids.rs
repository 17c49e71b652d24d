//! Identifiers that cross an edge. Each is a newtype, so that none is taken for another.

use rkyv::{Archive, Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[rkyv(derive(Debug))]
        pub struct $name(pub $inner);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A logical page: the number of a [`crate::memory_map::PAGE_SIZE`] block on the volume.
    PageId(u64)
);
id!(
    /// A log sequence number: the byte position in the WAL just past a record.
    Lsn(u64)
);
id!(
    /// A transaction, unique within one execute instance's lifetime; the instance is the link.
    TxnId(u64)
);
id!(
    /// A B+tree of the storage engine. Tree 1 is the catalog.
    TreeId(u32)
);
id!(
    /// The commit sequence number that last wrote a row. 0: the row does not exist.
    Version(u64)
);
id!(
    /// A client session, unique for the lifetime of the gateway.
    SessionId(u64)
);
id!(
    /// A request, unique within its link until it is answered.
    RequestId(u64)
);
id!(
    /// A cached plan, unique for the lifetime of the gateway.
    PlanId(u64)
);

/// The tree that holds the catalog: the only tree whose pages live in the catalog pool.
pub const CATALOG_TREE: TreeId = TreeId(1);

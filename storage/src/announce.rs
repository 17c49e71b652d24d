//! How readers tell storage what they still read.
//!
//! Each reader instance has a page of its own that it writes and storage reads:
//!
//! ```text
//!  0  u64  snapshot: the oldest sequence that the instance reads; 0: none (atomic)
//!  8  u64  zero (the access epoch of frames, once pages are evicted)
//! ```
//!
//! To acquire: load the pool's `sequence` s, store s in the page, fence, load `sequence` again. If it is
//! still s, storage will see the announcement before it frees anything that s shows: storage stores the
//! new sequence, fences, and then loads the announcements (Dekker's pattern: one of the two loads sees the other's
//! store). Else begin again. `published`, loaded after that, is s or newer; so all that it shows is kept.
//!
//! Pages that publication r replaced are freed when every announcement is r or above, or 0.
//!
//! An instance that announces a snapshot for ever keeps pages from being freed; one that announces
//! too much or nothing harms only itself. Storage drops an instance's announcement when its link goes down.

use crate::error::ReadError;
use crate::frame::{AnnouncePage, PoolView};
use crate::snapshot::Snapshot;
use alloc::collections::VecDeque;

/// The snapshots that one reader instance holds.
#[derive(Debug)]
pub struct Announcer<'p> {
    page: AnnouncePage<'p>,
    /// Sequences held and how often, ascending.
    held: VecDeque<(u64, u32)>,
}

impl<'p> Announcer<'p> {
    /// An announcer on the instance's own page; nothing is held.
    pub fn new(page: AnnouncePage<'p>) -> Announcer<'p> {
        page.store(0);
        Announcer {
            page,
            held: VecDeque::new(),
        }
    }

    /// The newest snapshot of a pool, held until [`Announcer::release`]. From the data pool it has both pools' roots, from the catalog pool the catalog's.
    ///
    /// # Errors
    /// [`ReadError::NotReady`], [`ReadError::Corrupt`]; nothing is held then.
    pub fn acquire(&mut self, pool: &PoolView<'_>) -> Result<Snapshot, ReadError> {
        let sequence = if self.held.is_empty() {
            loop {
                let sequence = pool.sequence();
                self.page.store(sequence);
                if pool.sequence() == sequence {
                    break sequence;
                }
            }
        } else {
            // What is held is older, and its announcement stands.
            pool.sequence()
        };
        let snapshot = match pool.published() {
            page if page.0 == 0 || sequence == 0 => Err(ReadError::NotReady),
            page => Snapshot::read(pool, page),
        };
        match snapshot {
            Ok(mut snapshot) => {
                // The catalog's descriptor may be older than the sequence; the data pool's may be newer.
                snapshot.sequence.0 = snapshot.sequence.0.max(sequence);
                snapshot.announced = sequence;
                match self.held.back_mut() {
                    Some(newest) if newest.0 == sequence => newest.1 += 1,
                    _ => self.held.push_back((sequence, 1)),
                }
                Ok(snapshot)
            }
            Err(error) => {
                self.announce();
                Err(error)
            }
        }
    }

    /// Lets go of a snapshot that was acquired here.
    pub fn release(&mut self, snapshot: &Snapshot) {
        if let Ok(index) = self
            .held
            .binary_search_by_key(&snapshot.announced, |held| held.0)
        {
            self.held[index].1 -= 1;
            if self.held[index].1 == 0 {
                self.held.remove(index);
            }
        }
        self.announce();
    }

    /// Lets go of everything: the link to storage went down.
    pub fn release_all(&mut self) {
        self.held.clear();
        self.announce();
    }

    /// The number of snapshots held.
    pub fn held_count(&self) -> usize {
        self.held.iter().map(|held| held.1 as usize).sum()
    }

    fn announce(&self) {
        self.page.store(self.held.front().map_or(0, |held| held.0));
    }
}

//! The pages of one pool: which numbers are free, which pages are new, and when a replaced page goes.
//!
//! ```text
//!            allocate                 retire(at r)                  no reader below r
//!  Free ───────────────────▶ Live ───────────────────▶ Retired ──┬───────────────────▶ Free   (no checkpoint has it)
//!    ▲                                                           └──▶ Limbo ──▶ Free   (when a checkpoint at or past r is durable)
//!    └────────────── discard (made and dropped in the same epoch: nobody saw it) ── Live
//! ```
//!
//! Time is counted in *epochs*: each ends when a state is sealed for publication or a private tree is
//! handed out. A page is *new* while its `born` is the running epoch.
//!
//! Invariants:
//! 1. Only new pages change. [`Store::make_new`] copies others to a new number and retires the old.
//! 2. A page retired at r (the first sequence that does not show it) keeps its frame while a reader
//!    announces less than r, or a checkpoint of a state below r is being written.
//! 3. A number that the durable checkpoint may name is not given out again.
//! 4. Numbers are given from the bottom, so that the volume stays compact.
//!
//! What keeps a page for long (snapshots, branches) will be a further holder in 2 and 3: `born` tells
//! which of them can see a page.
//!
//! Fails with [`SpaceError`]: no frame, or no number left. Callers ask [`Store::room`] before they begin what must not
//! stop half way.

use crate::error::ReadError;
use crate::frame::PoolMemory;
use crate::node_mut;
use crate::page::{self, Kind, Page};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use vireo_abi::ids::PageId;

/// Why a page cannot be had, or a tree not be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpaceError {
    /// All frames of the pool are in use.
    #[error("the page pool is full")]
    PoolFull,
    /// All numbers of the volume's range are in use.
    #[error("the data volume is full")]
    VolumeFull,
    /// A page is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum State {
    Free,
    /// Its content is on the volume, or will never be needed there.
    LiveClean,
    /// To be written by the next checkpoint that has it.
    LiveDirty,
    RetiredClean,
    RetiredDirty,
    Limbo,
}

/// A set of free numbers, lowest first: a bitmap and a bitmap of its words that are not 0.
#[derive(Debug, Default)]
struct FreeSet {
    words: Vec<u64>,
    summary: Vec<u64>,
    /// No summary word below is set.
    hint: usize,
    count: u64,
}

impl FreeSet {
    fn insert(&mut self, index: usize) {
        let word = index / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
            self.summary.resize(word / 64 + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
        self.summary[word / 64] |= 1 << (word % 64);
        self.hint = self.hint.min(word / 64);
        self.count += 1;
    }

    fn pop(&mut self) -> Option<usize> {
        while let Some(&summary) = self.summary.get(self.hint) {
            if summary == 0 {
                self.hint += 1;
                continue;
            }
            let word = self.hint * 64 + summary.trailing_zeros() as usize;
            let bit = self.words[word].trailing_zeros() as usize;
            self.words[word] &= self.words[word] - 1;
            if self.words[word] == 0 {
                self.summary[self.hint] &= summary - 1;
            }
            self.count -= 1;
            return Some(word * 64 + bit);
        }
        None
    }
}

/// The pages of one pool.
#[derive(Debug)]
pub(crate) struct Store {
    memory: PoolMemory,
    /// Numbers below the first have never been given: they are none of the store's.
    base: u64,
    /// Numbers that the volume has room for.
    limit: u64,
    states: Vec<State>,
    free: FreeSet,
    epoch: u64,
    /// What [`Store::retire`] stamps: the first sequence that will not show the page.
    retire_at: u64,
    retired: VecDeque<(u64, PageId)>,
    limbo: VecDeque<(u64, PageId)>,
    /// The last epoch that the durable checkpoint, or the one being written, may have pages of.
    kept_epoch: u64,
    live_count: u64,
}

impl Store {
    /// An empty store over a laid-out pool. `limit` is the first number that the volume has no room for.
    pub(crate) fn new(memory: PoolMemory, limit: u64) -> Store {
        let base = memory.first_page();
        let limit = limit.min(base + memory.page_count());
        Store {
            memory,
            base,
            limit,
            states: Vec::new(),
            free: FreeSet::default(),
            epoch: 1,
            retire_at: 1,
            retired: VecDeque::new(),
            limbo: VecDeque::new(),
            kept_epoch: 0,
            live_count: 0,
        }
    }

    pub(crate) fn memory(&self) -> &PoolMemory {
        &self.memory
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins an epoch: nothing made before changes any more. `retire_at` is the first sequence that will not
    /// show what is retired from now on.
    pub(crate) fn begin_epoch(&mut self, epoch: u64, retire_at: u64) {
        assert!(
            epoch > self.epoch && retire_at >= self.retire_at,
            "epochs only advance"
        );
        self.epoch = epoch;
        self.retire_at = retire_at;
    }

    /// Pages that can be allocated now.
    pub(crate) fn room(&self) -> Result<u64, SpaceError> {
        let frames = self.memory.free_frames();
        let numbers = self.free.count + (self.limit - self.base) - self.states.len() as u64;
        if numbers == 0 {
            Err(SpaceError::VolumeFull)
        } else {
            Ok(frames.min(numbers))
        }
    }

    /// Why there is no room for `count` pages, if there is not.
    pub(crate) fn check_room(&self, count: u64) -> Result<(), SpaceError> {
        if self.memory.free_frames() < count {
            return Err(SpaceError::PoolFull);
        }
        if self.room()? < count {
            Err(SpaceError::VolumeFull)
        } else {
            Ok(())
        }
    }

    /// Pages in use by trees.
    pub(crate) fn live_count(&self) -> u64 {
        self.live_count
    }

    /// Pages waiting for readers or a checkpoint.
    pub(crate) fn retired_count(&self) -> usize {
        self.retired.len() + self.limbo.len()
    }

    /// Highest number ever used, plus one.
    #[cfg(test)]
    pub(crate) fn high_water(&self) -> u64 {
        self.base + self.states.len() as u64
    }

    fn index(&self, page: PageId) -> usize {
        (page.0 - self.base) as usize
    }

    #[inline]
    pub(crate) fn page(&self, page: PageId) -> Result<&Page, ReadError> {
        self.memory.page(page)
    }

    /// The page, to be changed: it must be new.
    #[inline]
    pub(crate) fn page_mut(&mut self, page: PageId) -> &mut Page {
        let epoch = self.epoch;
        let bytes = self.memory.page_mut(page);
        assert!(page::born(bytes) == epoch, "page {page} is not new");
        bytes
    }

    pub(crate) fn is_new(&self, page: &Page) -> bool {
        page::born(page) == self.epoch
    }

    /// A new page with a frame, its header not yet written.
    fn allocate_raw(&mut self) -> Result<PageId, SpaceError> {
        if self.memory.free_frames() == 0 {
            return Err(SpaceError::PoolFull);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.base + (self.states.len() as u64) < self.limit => {
                self.states.push(State::Free);
                self.states.len() - 1
            }
            None => return Err(SpaceError::VolumeFull),
        };
        debug_assert_eq!(self.states[index], State::Free);
        self.states[index] = State::LiveDirty;
        self.live_count += 1;
        Ok(PageId(self.base + index as u64))
    }

    /// A new page of that kind, without entries.
    pub(crate) fn allocate(&mut self, kind: Kind, level: u8) -> Result<PageId, SpaceError> {
        let page = self.allocate_raw()?;
        let epoch = self.epoch;
        let bytes = self.memory.map(page).ok_or(SpaceError::PoolFull)?;
        node_mut::init(bytes, kind, level, page, epoch);
        Ok(page)
    }

    /// The page itself if it is new, else a new copy of it; the old is retired.
    pub(crate) fn make_new(&mut self, page: PageId) -> Result<PageId, SpaceError> {
        let bytes = self.memory.page(page)?;
        if self.is_new(bytes) {
            return Ok(page);
        }
        let copy = self.allocate_raw()?;
        let epoch = self.epoch;
        self.memory
            .map_copy(copy, page)
            .ok_or(SpaceError::PoolFull)?;
        node_mut::rename(self.memory.page_mut(copy), copy, epoch);
        self.retire(page);
        Ok(copy)
    }

    /// The tree does not need the page any more.
    pub(crate) fn retire(&mut self, page: PageId) {
        let index = self.index(page);
        let is_live = matches!(
            self.states.get(index),
            Some(State::LiveClean | State::LiveDirty)
        );
        assert!(is_live, "page {page} is retired twice");
        self.live_count -= 1;
        if self.memory.page(page).is_ok_and(|bytes| self.is_new(bytes)) {
            self.release_number(page, index);
        } else {
            self.states[index] = match self.states[index] {
                State::LiveDirty => State::RetiredDirty,
                _ => State::RetiredClean,
            };
            self.retired.push_back((self.retire_at, page));
        }
    }

    fn release_number(&mut self, page: PageId, index: usize) {
        self.memory.unmap(page);
        self.states[index] = State::Free;
        self.free.insert(index);
    }

    /// Frees what was retired at or below `oldest`, the lowest sequence that anyone reads, at most
    /// `budget` pages; `durable` is the sequence of the durable checkpoint. True if there may be more.
    pub(crate) fn reclaim(&mut self, oldest: u64, durable: u64, budget: usize) -> bool {
        for _ in 0..budget {
            if let Some(&(at, page)) = self.retired.front()
                && at <= oldest
            {
                self.retired.pop_front();
                let index = self.index(page);
                let born = self.memory.page(page).map_or(0, page::born);
                if born <= self.kept_epoch && at > durable {
                    self.memory.unmap(page);
                    self.states[index] = State::Limbo;
                    self.limbo.push_back((at, page));
                } else {
                    self.release_number(page, index);
                }
            } else if let Some(&(at, page)) = self.limbo.front()
                && at <= durable
            {
                self.limbo.pop_front();
                let index = self.index(page);
                self.states[index] = State::Free;
                self.free.insert(index);
            } else {
                return false;
            }
        }
        true
    }

    /// Begins a checkpoint of the state `sequence`, which ended with `epoch`: the pages that it must write,
    /// ascending. What it has stays until the next one.
    pub(crate) fn begin_checkpoint(&mut self, sequence: u64, epoch: u64) -> Vec<PageId> {
        let mut pages = Vec::new();
        for (index, state) in self.states.iter_mut().enumerate() {
            if *state != State::LiveDirty {
                continue;
            }
            let page = PageId(self.base + index as u64);
            if let Ok(bytes) = self.memory.page(page)
                && page::born(bytes) <= epoch
            {
                *state = State::LiveClean;
                if page::kind(bytes) != Kind::Descriptor as u8 {
                    pages.push(page);
                }
            }
        }
        // What was replaced since belongs to the state.
        for &(_, page) in self
            .retired
            .iter()
            .rev()
            .take_while(|&&(at, _)| at > sequence)
        {
            let index = (page.0 - self.base) as usize;
            if self.states[index] == State::RetiredDirty
                && let Ok(bytes) = self.memory.page(page)
                && page::born(bytes) <= epoch
            {
                self.states[index] = State::RetiredClean;
                if page::kind(bytes) != Kind::Descriptor as u8 {
                    pages.push(page);
                }
            }
        }
        // The checkpoint's own list of staged trees is of the running epoch.
        self.kept_epoch = self.epoch;
        pages.sort_unstable();
        pages
    }

    /// The page is written by the checkpoint that begins, though it is of the running epoch.
    pub(crate) fn mark_clean(&mut self, page: PageId) {
        let index = self.index(page);
        assert!(
            self.states[index] == State::LiveDirty,
            "page {page} is not dirty"
        );
        self.states[index] = State::LiveClean;
    }

    /// Puts a page that recovery read into the pool: live, and on the volume. False if it was there already.
    pub(crate) fn load(&mut self, page: PageId, bytes: &Page) -> Result<bool, SpaceError> {
        if page.0 < self.base || page.0 >= self.limit {
            let what = "its number is out of range";
            return Err(ReadError::Corrupt { page, what }.into());
        }
        if self.memory.is_mapped(page) {
            return Ok(false);
        }
        let index = self.index(page);
        if index >= self.states.len() {
            self.states.resize(index + 1, State::Free);
        }
        self.states[index] = State::LiveClean;
        self.live_count += 1;
        let frame = self.memory.map(page).ok_or(SpaceError::PoolFull)?;
        *frame = *bytes;
        Ok(true)
    }

    /// After all pages are loaded: the rest of the numbers is free.
    pub(crate) fn finish_loading(&mut self, epoch: u64) {
        for index in 0..self.states.len() {
            if self.states[index] == State::Free {
                self.free.insert(index);
            }
        }
        self.kept_epoch = epoch;
        self.epoch = epoch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_set_gives_the_lowest() {
        let mut set = FreeSet::default();
        for index in [70_000, 3, 64, 4096, 65] {
            set.insert(index);
        }
        let mut all = Vec::new();
        while let Some(index) = set.pop() {
            all.push(index);
            if index == 65 {
                set.insert(1);
            }
        }
        assert_eq!(all, [3, 64, 65, 1, 4096, 70_000]);
        assert_eq!(set.count, 0);
    }
}

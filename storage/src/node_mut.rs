//! A tree page, changed. The layout is in `crate::page`; the pages here are the engine's own and new, so
//! they hold what it put there: damage found here was missed by the checksum, and is a bug's.
//!
//! Removing leaves garbage among the cells, which [`insert`] reclaims when it needs the room.

use crate::error::ReadError;
use crate::node::Node;
use crate::page::{
    self, ENTRY_SIZE, HEAD_SIZE, HEADER_SIZE, Kind, Page, VALUE_LENGTH_MASK, u16_at,
};
use vireo_abi::ids::PageId;
use vireo_abi::memory_map::PAGE_SIZE;

/// An entry to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewEntry<'a> {
    pub(crate) key: &'a [u8],
    /// Version or child.
    pub(crate) word: u64,
    pub(crate) value: &'a [u8],
    /// `OVERFLOW`, `TOMBSTONE` or 0.
    pub(crate) flags: u16,
}

impl NewEntry<'_> {
    /// The most bytes that it takes in a page.
    pub(crate) fn size_max(&self) -> usize {
        ENTRY_SIZE + 8 + self.key.len() + self.value.len()
    }

    fn cell_size(&self, prefix: usize) -> usize {
        let is_inline = prefix == 0 && self.key.len() <= HEAD_SIZE;
        8 + if is_inline { 0 } else { self.key.len() } + self.value.len()
    }
}

fn put_u16(page: &mut Page, offset: usize, value: usize) {
    debug_assert!(value <= PAGE_SIZE);
    page[offset..offset + 2].copy_from_slice(&(value as u16).to_le_bytes());
}

/// Writes the header that all kinds share, and no entries.
pub(crate) fn init(page: &mut Page, kind: Kind, level: u8, id: PageId, born: u64) {
    page[..HEADER_SIZE].fill(0);
    page[4] = kind as u8;
    page[5] = level;
    page[8..16].copy_from_slice(&id.0.to_le_bytes());
    page[16..24].copy_from_slice(&born.to_le_bytes());
    put_u16(page, 24, PAGE_SIZE);
}

/// Makes a copied page another page.
pub(crate) fn rename(page: &mut Page, id: PageId, born: u64) {
    page[8..16].copy_from_slice(&id.0.to_le_bytes());
    page[16..24].copy_from_slice(&born.to_le_bytes());
}

fn cells(page: &Page) -> usize {
    usize::from(u16_at(page, 24))
}

fn garbage(page: &Page) -> usize {
    usize::from(u16_at(page, 26))
}

/// Bytes between the entries and the cells.
fn gap(page: &Page) -> usize {
    cells(page).saturating_sub(HEADER_SIZE + page::count(page) * ENTRY_SIZE)
}

/// Bytes that entries and live cells take.
pub(crate) fn used(page: &Page) -> usize {
    PAGE_SIZE - HEADER_SIZE - gap(page) - garbage(page)
}

/// The room for entries and cells.
pub(crate) const ROOM: usize = PAGE_SIZE - HEADER_SIZE;

/// Sets the word of an entry: version or child.
pub(crate) fn set_word(page: &mut Page, index: usize, word: u64) -> Result<(), ReadError> {
    let (offset, _, _) = Node::new(page)?.slot(index);
    let id = page::id(page);
    page.get_mut(offset..offset + 8)
        .ok_or(ReadError::Corrupt {
            page: id,
            what: "a cell lies outside of it",
        })?
        .copy_from_slice(&word.to_le_bytes());
    Ok(())
}

/// The bytes of an entry as they can be written elsewhere.
pub(crate) fn entry_of<'p>(node: &Node<'p>, index: usize) -> Result<NewEntry<'p>, ReadError> {
    let (value, flags) = node.raw_value(index)?;
    Ok(NewEntry {
        key: node.key(index)?,
        word: node.word(index)?,
        value,
        flags,
    })
}

/// Puts an entry at `index`. False, and nothing changed, if it does not fit.
pub(crate) fn insert(
    page: &mut Page,
    index: usize,
    entry: &NewEntry<'_>,
) -> Result<bool, ReadError> {
    let node = Node::new(page)?;
    let prefix = node.prefix();
    let first = usize::from(node.level() > 0);
    let breaks_prefix = prefix > 0 && index >= first && {
        let other = node.key(first.min(node.count() - 1))?;
        entry.key.get(..prefix) != other.get(..prefix)
    };
    let need = ENTRY_SIZE + entry.cell_size(if breaks_prefix { 0 } else { prefix });
    if breaks_prefix {
        // Keys can only get shorter.
        rebuild_in_place(page, 0)?;
    }
    if gap(page) < need {
        if gap(page) + garbage(page) < need {
            return Ok(false);
        }
        let prefix = usize::from(u16_at(page, 28));
        rebuild_in_place(page, prefix)?;
        if gap(page) < need {
            return Ok(false);
        }
    }
    append_cell(page, index, entry);
    Ok(true)
}

/// Writes the cell and makes room for the entry, which is known to fit.
fn append_cell(page: &mut Page, index: usize, entry: &NewEntry<'_>) {
    let prefix = usize::from(u16_at(page, 28));
    let count = page::count(page);
    assert!(index <= count, "entry {index} of {count}");
    let is_inline = prefix == 0 && entry.key.len() <= HEAD_SIZE;
    let offset = cells(page) - entry.cell_size(prefix);
    let mut at = offset;
    let mut write = |page: &mut Page, bytes: &[u8]| {
        page[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    write(page, &entry.word.to_le_bytes());
    if !is_inline {
        write(page, entry.key);
    }
    write(page, entry.value);
    let slot = HEADER_SIZE + index * ENTRY_SIZE;
    page.copy_within(slot..HEADER_SIZE + count * ENTRY_SIZE, slot + ENTRY_SIZE);
    let rest = entry.key.get(prefix..).unwrap_or(&[]);
    let head = &mut page[slot..slot + HEAD_SIZE];
    head.fill(0);
    let length = rest.len().min(HEAD_SIZE);
    head[..length].copy_from_slice(&rest[..length]);
    put_u16(page, slot + 8, offset);
    put_u16(page, slot + 10, entry.key.len());
    let value = entry.value.len() as u16 | entry.flags;
    page[slot + 12..slot + 14].copy_from_slice(&value.to_le_bytes());
    put_u16(page, 24, offset);
    put_u16(page, 6, count + 1);
}

/// Removes an entry.
pub(crate) fn remove(page: &mut Page, index: usize) -> Result<(), ReadError> {
    let node = Node::new(page)?;
    let count = node.count();
    assert!(index < count, "entry {index} of {count}");
    let (_, key_length, value) = node.slot(index);
    let key_bytes = if node.is_inline(key_length) {
        0
    } else {
        key_length
    };
    let dead = 8 + key_bytes + usize::from(value & VALUE_LENGTH_MASK);
    let slot = HEADER_SIZE + index * ENTRY_SIZE;
    page.copy_within(slot + ENTRY_SIZE..HEADER_SIZE + count * ENTRY_SIZE, slot);
    put_u16(page, 6, count - 1);
    if count == 1 {
        put_u16(page, 24, PAGE_SIZE);
        put_u16(page, 26, 0);
        put_u16(page, 28, 0);
    } else {
        let total = garbage(page) + dead;
        put_u16(page, 26, total);
    }
    Ok(())
}

/// Overwrites the word and the value of an entry if the value's length stays. False if it does not.
pub(crate) fn replace(
    page: &mut Page,
    index: usize,
    entry: &NewEntry<'_>,
) -> Result<bool, ReadError> {
    let node = Node::new(page)?;
    let (offset, key_length, value) = node.slot(index);
    if value != entry.value.len() as u16 | entry.flags {
        return Ok(false);
    }
    let start = offset
        + 8
        + if node.is_inline(key_length) {
            0
        } else {
            key_length
        };
    let id = page::id(page);
    let corrupt = ReadError::Corrupt {
        page: id,
        what: "a cell lies outside of it",
    };
    page.get_mut(start..start + entry.value.len())
        .ok_or(corrupt)?
        .copy_from_slice(entry.value);
    page.get_mut(offset..offset + 8)
        .ok_or(corrupt)?
        .copy_from_slice(&entry.word.to_le_bytes());
    Ok(true)
}

/// Takes the entries of `range` out of `source`, an old copy, into `page`, which has none. In an inner page the first
/// gets the empty key.
pub(crate) fn copy_range(
    page: &mut Page,
    source: &Node<'_>,
    range: core::ops::Range<usize>,
) -> Result<(), ReadError> {
    for index in range {
        copy_new(page, &entry_of(source, index)?);
    }
    Ok(())
}

/// Puts an entry after all others, as [`copy_range`] does.
pub(crate) fn copy_new(page: &mut Page, entry: &NewEntry<'_>) {
    let at = page::count(page);
    let is_first_inner = at == 0 && page::level(page) > 0;
    append_cell(
        page,
        at,
        &NewEntry {
            key: if is_first_inner { &[] } else { entry.key },
            ..*entry
        },
    );
}

/// The prefix that serves the page best: that of all its keys, unless they are short enough to be inline, or
/// writing them out does not fit.
fn best_prefix(node: &Node<'_>) -> Result<usize, ReadError> {
    let first = usize::from(node.level() > 0);
    if node.count() < first + 2 {
        return Ok(0);
    }
    let (low, high) = (node.key(first)?, node.key(node.count() - 1)?);
    let common = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    if common == 0 {
        return Ok(0);
    }
    let (mut size, mut has_long) = (0, false);
    for index in 0..node.count() {
        let entry = entry_of(node, index)?;
        has_long |= entry.key.len() > HEAD_SIZE;
        size += entry.size_max();
    }
    Ok(if has_long && size <= ROOM { common } else { 0 })
}

/// Drops garbage and chooses the prefix anew: after a split, when the page may rest.
pub(crate) fn tidy(page: &mut Page) -> Result<(), ReadError> {
    let prefix = best_prefix(&Node::new(page)?)?;
    if prefix != usize::from(u16_at(page, 28)) || garbage(page) > 0 {
        rebuild_in_place(page, prefix)?;
    }
    Ok(())
}

fn rebuild_in_place(page: &mut Page, prefix: usize) -> Result<(), ReadError> {
    let old = *page;
    let node = Node::new(&old)?;
    init(
        page,
        page_kind(&old),
        page::level(&old),
        page::id(&old),
        page::born(&old),
    );
    put_u16(page, 28, prefix);
    for index in 0..node.count() {
        append_cell(page, index, &entry_of(&node, index)?);
    }
    Ok(())
}

fn page_kind(page: &Page) -> Kind {
    if page::level(page) == 0 {
        Kind::Leaf
    } else {
        Kind::Inner
    }
}

/// Where to split a page into which an entry of `size` goes at `index`: the number of entries, counted with the new
/// one, that stay on the left. Appending leaves the left page full; else the halves have about equal bytes.
pub(crate) fn split_point(node: &Node<'_>, index: usize, size: usize) -> Result<usize, ReadError> {
    let count = node.count();
    if index == count {
        return Ok(count);
    }
    let size_at = |i: usize| -> Result<usize, ReadError> {
        Ok(match i.cmp(&index) {
            core::cmp::Ordering::Less => entry_of(node, i)?.size_max(),
            core::cmp::Ordering::Equal => size,
            core::cmp::Ordering::Greater => entry_of(node, i - 1)?.size_max(),
        })
    };
    let mut total = 0;
    for i in 0..=count {
        total += size_at(i)?;
    }
    let mut left = 0;
    for i in 0..count {
        left += size_at(i)?;
        if left * 2 >= total {
            return Ok(i + 1);
        }
    }
    Ok(count)
}

//! What clients know of their transactions, kept where no crash of the server reaches it.

use std::collections::BTreeSet;

/// The numbers of transactions, by what their client was told.
#[derive(Default, Debug)]
pub struct Ledger {
    acknowledged: BTreeSet<i64>,
    /// COMMIT was sent and not answered: whole or absent.
    unknown: BTreeSet<i64>,
    refused: BTreeSet<i64>,
}

impl Ledger {
    pub fn acknowledged(&mut self, number: i64) {
        self.acknowledged.insert(number);
    }

    pub fn unknown(&mut self, number: i64) {
        self.unknown.insert(number);
    }

    pub fn refused(&mut self, number: i64) {
        self.refused.insert(number);
    }

    /// Acknowledged transactions.
    pub fn count(&self) -> usize {
        self.acknowledged.len()
    }

    /// Compares with what the database has.
    pub fn check(&self, there: &BTreeSet<i64>) {
        let lost: Vec<_> = self.acknowledged.difference(there).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let undead: Vec<_> = self.refused.intersection(there).collect();
        assert!(undead.is_empty(), "refused and there: {undead:?}");
        let strange: Vec<_> = there
            .iter()
            .filter(|n| !self.acknowledged.contains(n) && !self.unknown.contains(n))
            .collect();
        assert!(strange.is_empty(), "never sent: {strange:?}");
    }

    /// After a check: what was unknown is decided, and must stay so.
    pub fn decide(&mut self, there: &BTreeSet<i64>) {
        for number in std::mem::take(&mut self.unknown) {
            if there.contains(&number) {
                self.acknowledged.insert(number);
            } else {
                self.refused.insert(number);
            }
        }
    }
}

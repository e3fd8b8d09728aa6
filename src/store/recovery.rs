//! What was repaired when a store was opened, and what is lost.

/// The repairs that were made when a store was opened, and what could not be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreRecovery {
    /// Entries of the contact log that were replayed.
    pub replayed: usize,
    /// Entries of the contact log of which one bit was put right.
    pub repaired: u64,
    /// Entries of the contact log that cannot be read, or were not replayed because the store is damaged.
    pub damaged: u64,
    /// Entries of the contact log that were on disk, and are missing.
    pub missing: u64,
    /// Flushes that were on disk, and are missing at the end of the store.
    pub flushes: u64,
    /// Files of keys that are damaged, and were set aside with the extension `damaged`.
    pub keys: usize,
    /// The number of the folder `records-damaged-N` to which the damaged store was moved.
    pub set_aside: Option<u32>,
    /// Whether the store is an older copy, or another one, than the one that was used last with these keys.
    pub older: bool,
    /// Whether the note in the keys folder of how far the store was written is damaged.
    pub head_damaged: bool,
    /// Customers who were in the files although they had been erased.
    pub erased: usize,
}

impl StoreRecovery {
    /// Whether contacts may be lost, so that every limit counts as used up.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        let Self { damaged, missing, flushes, set_aside, older, .. } = self;
        damaged + missing + flushes > 0 || set_aside.is_some() || *older
    }
}

impl std::fmt::Display for StoreRecovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { replayed, repaired, damaged, missing, flushes, keys, set_aside, older, head_damaged, erased } = self;
        let repairs = [
            (*replayed > 0).then(|| format!("{replayed} contacts and outcomes of an unclean stop were replayed")),
            (*repaired > 0).then(|| format!("{repaired} contacts or outcomes had one wrong bit, which was put right")),
            (*damaged > 0).then(|| format!("{damaged} contacts or outcomes of an unclean stop are damaged, and lost")),
            (*missing > 0).then(|| format!("{missing} contacts or outcomes of an unclean stop are missing")),
            (*flushes > 0).then(|| format!("the end of the customer store is missing: its last {flushes} flushes")),
            (*keys > 0).then(|| format!("{keys} files of keys are damaged: customers under these keys are lost")),
            set_aside.map(|number| {
                format!("the customer store was damaged, and is set aside as `records-damaged-{number}`; what could be read of it is used")
            }),
            older.then(|| "the customer store is missing, or older than the one that was used last with these keys".into()),
            head_damaged.then(|| {
                "the file `customers` of the keys folder was damaged, and is written again: it is unknown whether the customer store is the newest".into()
            }),
            (*erased > 0).then(|| format!("{erased} erased customers had come back, and were erased again")),
        ];
        f.write_str(&repairs.into_iter().flatten().collect::<Vec<_>>().join("; "))?;
        if self.is_loss() {
            f.write_str(": contacts may be lost, so every limit counts as used up until its period has passed")?;
        }
        Ok(())
    }
}

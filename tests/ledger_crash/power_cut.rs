//! The power goes at a random operation, also while the ledger is opened, and again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tactful::domain::time::Moment;
use tactful::ledger::{FileLedger, Ledger as _, OpenedLedger};

use super::disk::ModelDisk;
use super::random::Random;
use super::{everything, record, settings};

const CUSTOMERS: usize = 4;

/// The acknowledged results.
#[derive(Default)]
struct Told {
    /// The last record of each customer that was acknowledged, and the last that was tried.
    records: BTreeMap<String, (u64, u64)>,
    /// Customers whose erasure was acknowledged, without later records.
    erased: BTreeSet<String>,
}

/// Uses a ledger until its power goes; what is wrong with what it holds, if anything is.
fn use_ledger(disk: &ModelDisk, told: &mut Told, random: &mut Random) -> Result<(), String> {
    let opened = match FileLedger::open_on(Arc::new(disk.clone()), &settings()) {
        Ok(opened) => opened,
        Err(error) if error.to_string().contains("the power is out") => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    told.compare(&opened)?;
    for _ in 0..40 {
        let customer = format!("customer-{}", random.below(CUSTOMERS));
        let (acknowledged, _) = told.records.remove(&customer).unwrap_or_default();
        if random.below(12) == 0 {
            if opened.ledger.erase(&customer, Moment(1)).is_err() {
                told.records.insert(customer, (0, acknowledged));
                return Ok(());
            }
            told.erased.insert(customer);
        } else {
            told.erased.remove(&customer);
            let next = acknowledged + 1;
            let taken = opened.ledger.append(&[record(&customer, next)]).is_ok();
            told.records.insert(customer, (if taken { next } else { acknowledged }, next));
            if !taken {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Told {
    /// Compares with what is held, and learns whether what was under way when the power went made it.
    fn compare(&mut self, opened: &OpenedLedger) -> Result<(), String> {
        let all = everything(&opened.ledger);
        let of = |customer: &str| -> Vec<u64> {
            let records = all.iter().filter(|(_, record)| record.customer == customer);
            records.map(|(_, record)| record.sequence).collect()
        };
        for (customer, (acknowledged, tried)) in &mut self.records {
            let held = of(customer);
            let last = held.len() as u64;
            if held != (1..=last).collect::<Vec<_>>() || last < *acknowledged || last > *tried {
                return Err(format!("{customer} has {held:?}, acknowledged {acknowledged}, tried {tried}"));
            }
            (*acknowledged, *tried) = (last, last);
        }
        match self.erased.iter().find(|customer| !opened.ledger.is_suppressed(customer) || !of(customer).is_empty()) {
            Some(customer) => Err(format!("{customer} was erased, and came back")),
            None => Ok(()),
        }
    }
}

/// What went wrong in some rounds of power cuts.
fn rounds(seed: u64, mut disk: ModelDisk) -> Result<(), String> {
    let (mut random, mut told) = (Random(seed), Told::default());
    for _ in 0..6 {
        disk.cut_power_after(random.below(260) as u64);
        use_ledger(&disk, &mut told, &mut random)?;
        disk = disk.after_power_cut(&mut random);
    }
    use_ledger(&disk, &mut told, &mut random)
}

#[test]
fn nothing_acknowledged_is_lost_in_a_power_cut() {
    for seed in 0..60 {
        rounds(seed, ModelDisk::default()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[test]
fn the_power_cut_catches_a_ledger_that_does_not_sync() {
    let caught = (0..20).filter(|seed| rounds(*seed, ModelDisk::that_never_syncs()).is_err()).count();
    assert!(caught >= 19, "{caught} of 20");
}

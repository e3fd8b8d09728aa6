//! Embedded stores under what Tactful asks of one: batches of 1,000 customers of 600 bytes, made durable; reads of one
//! customer; opening after a kill; bits that flip.
//!
//! ```sh
//! cargo run --release -- 1000000
//! ```
//!
//! A package of its own, so that nothing of it is built with the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase as _, TableDefinition};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("customers");
const BATCH: u64 = 1_000;
const BYTES: usize = 600;
const READS: u64 = 200_000;
const FLIPS: u64 = 150;

type Failure = Box<dyn std::error::Error>;

trait Store {
    fn put(&mut self, records: &[([u8; 20], Vec<u8>)]) -> Result<(), Failure>;
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure>;
}

struct Fjall(Database, Keyspace);
struct Redb(redb::Database);

fn open(engine: &str, folder: &Path) -> Result<Box<dyn Store>, Failure> {
    if engine == "fjall" {
        let database = Database::builder(folder).cache_size(32 << 20).worker_threads(1).open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(16 << 20);
        let customers = database.keyspace("customers", options)?;
        return Ok(Box::new(Fjall(database, customers)));
    }
    let mut builder = redb::Builder::new();
    builder.set_cache_size(32 << 20);
    if engine == "redb, checked" {
        builder.set_check_integrity_on_open(true);
    }
    Ok(Box::new(Redb(builder.create(folder.join("customers.redb"))?)))
}

impl Store for Fjall {
    fn put(&mut self, records: &[([u8; 20], Vec<u8>)]) -> Result<(), Failure> {
        let mut batch = self.0.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in records {
            batch.insert(&self.1, key.as_slice(), value.as_slice());
        }
        Ok(batch.commit()?)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.1.get(key)?.map(|value| value.to_vec()))
    }
}

impl Store for Redb {
    fn put(&mut self, records: &[([u8; 20], Vec<u8>)]) -> Result<(), Failure> {
        let mut change = self.0.begin_write()?;
        change.set_two_phase_commit(true);
        change.set_quick_repair(true);
        {
            let mut table = change.open_table(TABLE)?;
            for (key, value) in records {
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        Ok(change.commit()?)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }
}

/// SplitMix64: keys are scattered, and values can be told from their keys.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn key(number: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&mix(number).to_be_bytes());
    key[8..16].copy_from_slice(&number.to_be_bytes());
    key
}

fn value(number: u64) -> Vec<u8> {
    (0..BYTES as u64 / 8).flat_map(|part| mix(number ^ part << 40).to_le_bytes()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn megabytes(folder: &Path) -> u64 {
    files(folder).iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>() >> 20
}

fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096 >> 20
}

/// Fills a store, prints the results, and exits without closing it.
fn fill(engine: &str, folder: &Path, count: u64) {
    let mut store = open(engine, folder).unwrap();
    let mut took = Vec::new();
    let start = Instant::now();
    for batch in 0..count / BATCH {
        let records: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(|number| (key(number), value(number))).collect();
        let begun = Instant::now();
        store.put(&records).unwrap();
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{engine}: {rate:.0} customers/s, a batch p50 {:.1} ms p99 {:.1} ms max {:.0} ms, {} MB resident",
        at(0.5),
        at(0.99),
        at(1.0),
        resident()
    );
    std::process::abort();
}

/// Opens a store again, and reads it.
fn read(engine: &str, folder: &Path, count: u64) {
    let start = Instant::now();
    let store = open(engine, folder).unwrap();
    assert_eq!(store.get(&key(7)).unwrap(), Some(value(7)));
    let opened = start.elapsed().as_secs_f64();
    let time = |wanted: &dyn Fn(u64) -> u64| {
        let start = Instant::now();
        let found = (0..READS).filter(|read| store.get(&key(wanted(*read))).unwrap().is_some()).count();
        (start.elapsed().as_secs_f64() * 1e6 / READS as f64, found)
    };
    let (known, found) = time(&|read| mix(read) % count);
    assert_eq!(found as u64, READS);
    let (strange, found) = time(&|read| count + read);
    assert_eq!(found, 0);
    println!(
        "{engine}: opens after a kill in {opened:.2} s, reads a customer in {known:.1} µs, finds that there is none in \
         {strange:.1} µs, {} MB on disk, {} MB resident",
        megabytes(folder),
        resident()
    );
}

/// Flips a bit of a store that was filled and killed, and reads every customer.
fn flipped(engine: &str, folder: &Path, count: u64) -> &'static str {
    let look = || -> Result<&'static str, Failure> {
        let store = open(engine, folder)?;
        let mut found = "harmless";
        for number in 0..count {
            match store.get(&key(number))? {
                Some(held) if held == value(number) => {}
                Some(_) => found = "wrong value",
                None => return Ok("customer missing"),
            }
        }
        Ok(found)
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).map_or("panic", |found| found.unwrap_or("error"))
}

fn run(part: &str, engine: &str, folder: &Path, count: u64) -> String {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args([part, engine]).arg(folder).arg(count.to_string()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, part, engine, folder, count] = &words[..] {
        let (folder, count) = (Path::new(folder), count.parse().unwrap());
        match part.as_str() {
            "fill" => fill(engine, folder, count),
            "read" => read(engine, folder, count),
            _ => println!("{}", flipped(engine, folder, count)),
        }
        return;
    }
    let count: u64 = words.get(1).and_then(|count| count.parse().ok()).expect("usage: stores CUSTOMERS");
    for engine in ["fjall", "redb", "redb, checked"] {
        let folder = tempfile::tempdir().unwrap();
        println!("{}", run("fill", engine, folder.path(), count));
        println!("{}", run("read", engine, folder.path(), count));
        let small = tempfile::tempdir().unwrap();
        run("fill", engine, small.path(), 20 * BATCH);
        let whole: Vec<(PathBuf, Vec<u8>)> =
            files(small.path()).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        let total: u64 = whole.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let mut outcomes = std::collections::BTreeMap::<String, u32>::new();
        for flip in 0..FLIPS {
            let damaged = tempfile::tempdir().unwrap();
            let mut at = (mix(flip) % total) as usize;
            for (path, bytes) in &whole {
                let mut bytes = bytes.clone();
                if at < bytes.len() {
                    bytes[at] ^= 1 << (flip % 8);
                }
                at = if at < bytes.len() { usize::MAX } else { at - bytes.len() };
                let target = damaged.path().join(path.strip_prefix(small.path()).unwrap());
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                fs::write(target, bytes).unwrap();
            }
            *outcomes.entry(run("flipped", engine, damaged.path(), 20 * BATCH)).or_default() += 1;
        }
        println!("{engine}: of {FLIPS} flipped bits {outcomes:?}");
    }
}

//! Files are damaged in every way: each time the ledger is repaired without a loss, or refused and left unchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};
use tactful::domain::consent::ConsentRecord;
use tactful::domain::time::Moment;
use tactful::ledger::{FileLedger, Ledger as _, LedgerSettings, OpenError};

use super::disk::ModelDisk;
use super::random::Random;
use super::{everything, record, settings};

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A ledger that was closed in good order, and what it holds.
struct Whole {
    files: Files,
    records: Vec<(u64, ConsentRecord)>,
}

impl Whole {
    fn new() -> Self {
        let disk = ModelDisk::default();
        let ledger = FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap().ledger;
        for number in 1..=60 {
            ledger.append(&[record(&format!("customer-{}", number % 7), number)]).unwrap();
        }
        ledger.erase("customer-3", Moment(9)).unwrap();
        drop(ledger);
        let records = everything(&FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap().ledger);
        let mut files = disk.files();
        // Nothing is in it, and nothing is made of it.
        files.remove(Path::new("/data/ledger/reserve"));
        Self { files, records }
    }

    /// The files that hold what cannot be made again, or those that follow from them.
    fn paths(&self, derived: bool) -> Vec<&PathBuf> {
        let follows = |path: &Path| path.starts_with("/data/log");
        self.files.keys().filter(|path| follows(path) == derived).collect()
    }

    /// Opens damaged files. Whether they were refused; panics where damage would have gone unseen.
    fn check(&self, files: Files, what: &str) -> bool {
        let disk = ModelDisk::holding(&files);
        match FileLedger::open_on(Arc::new(disk.clone()), &settings()) {
            Ok(opened) => {
                assert!(everything(&opened.ledger) == self.records, "{what}: opened with other records");
                assert!(opened.ledger.is_suppressed("customer-3"), "{what}: an erasure was forgotten");
                let held = opened.ledger.records("customer-1").unwrap();
                assert!(held.len() == 9, "{what}: a customer's records are gone");
                opened.ledger.receipt(5).unwrap();
                false
            }
            Err(error) => {
                let left = disk.files();
                // An entry of the register that was never finished is taken away: the ledger has it too.
                let same = |path: &Path, bytes: &Vec<u8>| {
                    left.get(path)
                        .is_some_and(|left| left == bytes || path.ends_with("erased") && bytes.starts_with(left))
                };
                let changed = files.iter().find(|(path, bytes)| !same(path, bytes));
                assert!(changed.is_none(), "{what}: refused ({error}), but {:?} was changed", changed.unwrap().0);
                true
            }
        }
    }

    /// Checks many kinds of damage on all cores; how many were refused.
    fn check_all(&self, damages: &[(String, Files)]) -> usize {
        let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().unwrap().get() {
                scope.spawn(|| {
                    while let Some((what, files)) = damages.get(next.fetch_add(1, Ordering::Relaxed)) {
                        refused.fetch_add(usize::from(self.check(files.clone(), what)), Ordering::Relaxed);
                    }
                });
            }
        });
        refused.into_inner()
    }

    fn damaged(&self, path: &Path, damage: impl FnOnce(&mut Vec<u8>)) -> Files {
        let mut files = self.files.clone();
        damage(files.get_mut(path).unwrap());
        files
    }
}

#[test]
fn every_flipped_bit_is_detected() {
    let whole = Whole::new();
    let mut random = Random(1);
    let mut flipped = |count: usize, derived: bool| -> usize {
        let every = |path| (0..whole.files[path].len()).map(move |at| (path, at));
        let bytes: Vec<(&PathBuf, usize)> = whole.paths(derived).into_iter().flat_map(every).collect();
        let flip = |_| {
            let ((path, at), bit) = (bytes[random.below(bytes.len())], random.below(8));
            let what = format!("bit {bit} of byte {at} in {}", path.display());
            (what, whole.damaged(path, |bytes| bytes[at] ^= 1 << bit))
        };
        let damages: Vec<(String, Files)> = (0..count).map(flip).collect();
        whole.check_all(&damages)
    };
    // What may pass is the line end after the signing key.
    assert!(flipped(2_000, false) >= 1_995);
    assert_eq!(flipped(100, true), 0, "what is derived from the frames is repaired");
}

#[test]
fn every_zeroed_page_is_detected() {
    let whole = Whole::new();
    let mut damages = Vec::new();
    for path in whole.paths(false) {
        let bytes = &whole.files[path];
        for size in [512, 4_096] {
            for from in (0..bytes.len()).step_by(size) {
                let zero = |bytes: &mut Vec<u8>| {
                    let to = (from + size).min(bytes.len());
                    bytes[from..to].fill(0);
                };
                damages.push((format!("{size} zeros at {from} in {}", path.display()), whole.damaged(path, zero)));
            }
        }
    }
    // The register's one entry, gone whole, is one that was never finished: the ledger has it too.
    assert!(whole.check_all(&damages) >= damages.len() - 2);
}

#[test]
fn every_shortened_file_is_detected() {
    let whole = Whole::new();
    let mut random = Random(2);
    let paths = whole.paths(false);
    let damages: Vec<(String, Files)> = (0..500)
        .map(|index| {
            let path = paths[index % paths.len()];
            let length = random.below(whole.files[path].len().max(1));
            (format!("{} cut at {length}", path.display()), whole.damaged(path, |bytes| bytes.truncate(length)))
        })
        .collect();
    assert!(whole.check_all(&damages) > 400);
}

#[test]
fn a_truncation_between_two_frames_is_detected() {
    let whole = Whole::new();
    let (path, bytes) = whole.files.iter().rfind(|(path, _)| path.to_string_lossy().ends_with(".segment")).unwrap();
    let mut start = 0;
    while start < bytes.len() {
        let files = whole.damaged(path, |bytes| bytes.truncate(start));
        assert!(whole.check(files, &format!("cut at the frame at {start}")));
        start += 152 + u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
    }
}

/// The frames of a segment.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut frames, mut rest) = (Vec::new(), bytes);
    while let Some(length) = rest.first_chunk() {
        let (frame, behind) = rest.split_at(152 + u32::from_le_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = behind;
    }
    frames
}

/// The segment of frames whose positions, links and checksums an attacker has made again, which takes no key.
fn forged(frames: &[Vec<u8>]) -> Vec<u8> {
    let (mut bytes, mut previous) = (Vec::new(), [0; 32]);
    for (position, frame) in (1_u64..).zip(frames) {
        let mut frame = frame[..frame.len() - 32].to_vec();
        frame[8..16].copy_from_slice(&position.to_le_bytes());
        frame[84..116].copy_from_slice(&previous);
        let crc = crc32c::crc32c(&frame[..116]);
        frame[116..120].copy_from_slice(&crc.to_le_bytes());
        previous = Sha256::digest(&frame).into();
        frame.extend(previous);
        bytes.extend(frame);
    }
    bytes
}

/// A record is sealed without its place, so a frame opens at any place; the signed tree shows that it has moved.
#[test]
fn frames_that_were_moved_with_a_new_chain_are_detected() {
    let disk = ModelDisk::default();
    let roomy = LedgerSettings { segment_bytes: 1 << 20, ..settings() };
    let ledger = FileLedger::open_on(Arc::new(disk.clone()), &roomy).unwrap().ledger;
    for number in 1..=6 {
        ledger.append(&[record("anna", number)]).unwrap();
    }
    drop(ledger);
    let path = Path::new("/data/ledger/00000000000000000001.segment");
    let open = |frames: &[Vec<u8>]| {
        let mut files = disk.files();
        files.insert(path.to_owned(), forged(frames));
        FileLedger::open_on(Arc::new(ModelDisk::holding(&files)), &roomy)
    };
    let whole = frames(&disk.files()[path]);
    assert_eq!(everything(&open(&whole).unwrap().ledger).len(), 6, "the forger forges well");
    let mut moved = Vec::new();
    for (from, to) in [(0, 1), (4, 5), (0, 5), (2, 3)] {
        let mut frames = whole.clone();
        frames.swap(from, to);
        moved.push(frames);
    }
    moved.push(whole[1..].to_vec());
    moved.push([whole.clone(), whole[..1].to_vec()].concat());
    moved.push([whole[..1].to_vec(), whole.clone()].concat());
    for (index, frames) in moved.iter().enumerate() {
        let refused = open(frames).map(|opened| everything(&opened.ledger).len()).unwrap_err();
        // What is behind the last signed head was never signed, but no frame is there twice.
        let repeated = refused.to_string().ends_with(": a frame is there a second time");
        assert!(matches!(refused, OpenError::OtherHead { .. }) || (index >= 5 && repeated), "{index}: {refused}");
    }
}

#[test]
fn missing_repeated_and_swapped_files_are_detected() {
    let whole = Whole::new();
    let mut damages = Vec::new();
    for path in whole.paths(false) {
        let mut files = whole.files.clone();
        let bytes = files.remove(path).unwrap();
        damages.push((format!("without {}", path.display()), files));
        for other in whole.paths(false).into_iter().filter(|other| other.parent() == path.parent() && *other > path) {
            let mut files = whole.files.clone();
            files.insert(path.clone(), whole.files[other].clone());
            damages.push((format!("{} doubled as {}", other.display(), path.display()), files.clone()));
            files.insert(other.clone(), bytes.clone());
            damages.push((format!("{} and {} swapped", path.display(), other.display()), files));
        }
        if path.extension().is_some_and(|extension| extension == "segment" || extension == "keys") {
            let mut files = whole.files.clone();
            let name = format!("00000000000000000099.{}", path.extension().unwrap().display());
            files.insert(path.with_file_name(name), bytes);
            damages.push((format!("{} once more", path.display()), files));
        }
    }
    assert!(whole.check_all(&damages) > 50);
}

#[test]
fn an_unfinished_frame_is_cut_off_and_kept() {
    let disk = ModelDisk::default();
    let ledger = FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap().ledger;
    ledger.append(&[record("anna", 1)]).unwrap();
    ledger.checkpoint().unwrap();
    let mut signed = disk.files();
    signed.remove(Path::new("/data/ledger/reserve"));
    ledger.append(&[record("anna", 2)]).unwrap();
    drop(ledger);
    let path = Path::new("/data/ledger/00000000000000000001.segment");
    let (before, after) = (signed[path].len(), disk.files()[path].clone());
    for length in before + 1..after.len() {
        let mut files = signed.clone();
        files.insert(path.to_owned(), after[..length].to_vec());
        let disk = ModelDisk::holding(&files);
        let opened = FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap();
        assert_eq!(everything(&opened.ledger), [(1, record("anna", 1))]);
        let [tactful::ledger::Repair::TornFrame(copy)] = &opened.repairs[..] else { panic!("{:?}", opened.repairs) };
        assert_eq!(disk.files()[copy], after[before..length]);
        assert_eq!(disk.files()[path], after[..before]);
        assert_eq!(opened.ledger.append(&[record("anna", 2)]).unwrap(), 2);
    }
}

//! The proofs, judged by other people's code: `ct-merkle` knows trees, `tlog_tiles` tiles and checkpoints, and
//! `signed_note` notes. None of them shares a line with ours.

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tactful::ledger::proof::{
    self, Checkpoint, CheckpointError, Hash, Leaf, LogFile, ProofError, Receipt, ReceiptError, Salt, SigningKey,
    TileNodes, Tree, TreeHead, TreeNode,
};

/// Roots over the first leaves of [`numbered`], as `ct-merkle` computed them.
const KNOWN: [(u64, &str); 11] = [
    (0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    (1, "PdZ+H2L9CpoIoCq5EZ4bRcDEX/VYxAF0Mz+J2drwuXU="),
    (2, "HtIlBboKRi9NLraWfGWqyt+kOmLS0QBhemk98DPfSsE="),
    (3, "R8YZ0tnQ2fzsLLFb4ItX4zzKWDK4vCBvkUtfiY7xVPc="),
    (7, "eCvCKXFHgazKpqy2hrqgnH4LNqYCFaPQdxFhwk35kHQ="),
    (8, "Jt/o3CYYW7h6D12hOVgJqoLkVnS2St+6LJTqQEhah3I="),
    (255, "lLzYCgJAdVz5hUh2HQYvE5G9mj5h7/X+sW/jubc53BY="),
    (256, "QwLa5NtMJtUlWBEXw5WKAQEPJEIp/cN6cbynmDY1WYc="),
    (257, "2nmtxbrEL4ZY1HkFZwJfyPR0n77UXfNQMBEDow5fufQ="),
    (65_536, "Uo+RwBjR1VaWYH1L944csWxLUJb7nq6V80uvPFKnGdE="),
    (70_000, "Sab3p6Up02StiAanEWN5lm4W3FQe8fgJFX5/BDWxFF0="),
];

/// A leaf that holds nothing but its place, for trees whose records do not matter: 0x01 and the index in 32 bytes.
fn numbered(index: u64) -> Leaf {
    let mut bytes = [0; Leaf::SIZE];
    bytes[0] = 1;
    bytes[25..].copy_from_slice(&index.to_be_bytes());
    Leaf::read(&bytes).unwrap()
}

/// The leaf of a record.
fn committed(index: u64) -> Leaf {
    Leaf::commit(&salt(index), record(index).as_bytes())
}

fn salt(index: u64) -> Salt {
    Salt::derive(&[42; 32], &format!("r-{index}"))
}

fn record(index: u64) -> String {
    format!("record {index}")
}

fn key() -> SigningKey {
    SigningKey::new("tactful.example/ledger", &[9; 32]).unwrap()
}

/// A log as it would be published, and another implementation's tree of the same leaves.
struct Log {
    leaf: fn(u64) -> Leaf,
    tree: Tree,
    files: BTreeMap<String, Vec<u8>>,
    published: u64,
    other: MemoryBackedTree<Sha256, [u8; Leaf::SIZE]>,
}

impl Log {
    fn of(size: u64, leaf: fn(u64) -> Leaf) -> Self {
        let (tree, other) = (Tree::default(), MemoryBackedTree::new());
        let mut log = Self { leaf, tree, files: BTreeMap::new(), published: 0, other };
        log.grow(size);
        log
    }

    /// Grows to a size and publishes what a checkpoint of it needs.
    fn grow(&mut self, size: u64) {
        while self.tree.size() < size {
            let leaf = (self.leaf)(self.tree.size());
            self.other.push(*leaf.bytes());
            let full = self.tree.append(&leaf);
            self.publish(full);
        }
        let partial = self.tree.partial_files(self.published);
        self.publish(partial);
        self.published = size;
    }

    fn publish(&mut self, files: Vec<LogFile>) {
        for LogFile { path, bytes } in files {
            let before = self.files.insert(path.clone(), bytes);
            assert_eq!(before, None, "`{path}` was written twice");
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files.get(path).cloned().ok_or_else(|| format!("no `{path}`"))
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        let mut nodes = TileNodes::new(size, |path| self.read(path));
        proof::inclusion(index, size, |node| nodes.node(node)).unwrap()
    }

    fn consistency(&self, earlier: u64, size: u64) -> Vec<Hash> {
        let mut nodes = TileNodes::new(size, |path| self.read(path));
        proof::consistency(earlier, size, |node| nodes.node(node)).unwrap()
    }

    fn receipt(&self, index: u64) -> Receipt {
        Receipt {
            record: record(index).into_bytes(),
            salt: salt(index),
            index,
            path: self.inclusion(index, self.tree.size()),
            checkpoint: Checkpoint::sign(self.tree.size(), self.tree.root(), &key()),
        }
    }
}

/// The tiles of a log, read as `tlog_tiles` reads them: it puts the height of a tile into its path.
impl tlog_tiles::TileReader for Log {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        tiles.iter().map(|tile| Ok(self.read(&tile.path().replacen("tile/8/", "tile/", 1)).unwrap())).collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn all_of_theirs(path: &[Hash]) -> Vec<tlog_tiles::Hash> {
    path.iter().copied().map(theirs).collect()
}

fn bytes(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

/// A root, as `ct-merkle` knows it.
pub fn root_of(size: u64, root: Hash) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

#[test]
fn known_trees_have_known_roots_and_three_implementations_agree_on_their_proofs() {
    let mut log = Log::of(0, numbered);
    let mut roots = Vec::new();
    for (size, known) in KNOWN {
        log.grow(size);
        let root = log.tree.root();
        assert_eq!(root.0, log.other.root().as_bytes()[..], "size {size}");
        assert_eq!(root.to_string(), known, "size {size}");
        let indexes = [0, 1, size / 3, size / 2, 255, 256, 65_535, size.saturating_sub(2), size.saturating_sub(1)];
        for index in indexes.into_iter().filter(|index| *index < size) {
            included(&log, index);
        }
        for (earlier, earlier_root) in &roots {
            consistent(&log, TreeHead { size: *earlier, root: *earlier_root });
        }
        roots.push((size, root));
    }
}

/// A proof of inclusion, made from our tiles, is the one that others make, and they accept it.
fn included(log: &Log, index: u64) {
    let (size, root) = (log.tree.size(), log.tree.root());
    let path = log.inclusion(index, size);
    let hash = numbered(index).hash();
    assert!(proof::inclusion_holds(hash, index, &path, TreeHead { size, root }));
    let made = log.other.prove_inclusion(index as usize);
    assert_eq!(bytes(&path), made.as_bytes(), "leaf {index} of {size}");
    let claim = InclusionProof::from_bytes(bytes(&path));
    root_of(size, root).verify_inclusion(numbered(index).bytes(), index, &claim).unwrap();
    let tiles = tlog_tiles::TileHashReader::new(size, theirs(root), log);
    assert_eq!(tlog_tiles::prove_record(size, index, &tiles).unwrap(), all_of_theirs(&path));
    let record = tlog_tiles::record_hash(numbered(index).bytes());
    tlog_tiles::check_record(&all_of_theirs(&path), size, theirs(root), index, record).unwrap();
}

/// A proof of consistency is the one that others make, and they accept it.
fn consistent(log: &Log, earlier_head: TreeHead) {
    let TreeHead { size, root } = log.tree.head();
    let TreeHead { size: earlier, root: earlier_root } = earlier_head;
    let path = log.consistency(earlier, size);
    assert!(proof::consistency_holds(earlier_head, log.tree.head(), &path), "{earlier} of {size}");
    if earlier == 0 {
        // RFC 6962 knows no proof from nothing, and neither do the others: everything begins with nothing.
        assert_eq!(path, []);
        return;
    }
    let made = log.other.prove_consistency((size - earlier) as usize);
    assert_eq!(bytes(&path), made.as_bytes(), "{earlier} of {size}");
    let claim = ConsistencyProof::try_from_bytes(bytes(&path)).unwrap();
    root_of(size, root).verify_consistency(&root_of(earlier, earlier_root), &claim).unwrap();
    let tiles = tlog_tiles::TileHashReader::new(size, theirs(root), log);
    assert_eq!(tlog_tiles::prove_tree(size, earlier, &tiles).unwrap(), all_of_theirs(&path));
    tlog_tiles::check_tree(&all_of_theirs(&path), size, theirs(root), earlier, theirs(earlier_root)).unwrap();
}

#[test]
fn the_tiles_are_those_of_the_specification() {
    let log = Log::of(70_000, numbered);
    let count = |prefix: &str| log.files.keys().filter(|path| path.starts_with(prefix)).count();
    assert_eq!((count("tile/0/"), count("tile/1/"), count("tile/2/"), count("tile/entries/")), (274, 2, 1, 274));
    for (path, size) in [("tile/0/272", 8_192), ("tile/0/273.p/112", 112 * 32), ("tile/1/001.p/17", 17 * 32)] {
        assert_eq!(log.files[path].len(), size, "{path}");
    }
    assert_eq!(log.files["tile/2/000.p/1"], Hash::over(hashes(&log.files["tile/1/000"])).unwrap().0);
    assert_eq!(log.files["tile/entries/273.p/112"].len(), 112 * 35);
    let bundle = &log.files["tile/entries/001"];
    let (entries, []) = bundle.as_chunks::<35>() else { panic!("entries of another length") };
    for (entry, hash) in entries.iter().zip(hashes(&log.files["tile/0/001"])) {
        assert_eq!(entry[..2], [0, 33]);
        assert_eq!(tlog_tiles::record_hash(&entry[2..]), theirs(hash));
    }
    let far = tactful::ledger::proof::Tile { kind: proof::TileKind::Hashes(0), index: 1_234_067, width: 256 };
    assert_eq!(far.path(), "tile/0/x001/x234/067");
}

fn hashes(tile: &[u8]) -> Vec<Hash> {
    tile.as_chunks::<32>().0.iter().copied().map(Hash).collect()
}

#[test]
fn the_log_published_at_each_checkpoint_is_what_others_expect() {
    let mut log = Log::of(0, numbered);
    let mut published = 0;
    for size in [1, 2, 3, 255, 256, 257, 300, 511, 512, 1_000, 1_001, 65_535, 65_536, 65_537] {
        let before: Vec<String> = log.files.keys().cloned().collect();
        log.grow(size);
        let mut new: Vec<&String> = log.files.keys().filter(|path| !before.contains(path)).collect();
        let tiles = tlog_tiles::Tile::new_tiles(8, published, size);
        let mut expected: Vec<String> = tiles.iter().map(|tile| tile.path().replacen("tile/8/", "tile/", 1)).collect();
        let entries: Vec<String> = expected
            .iter()
            .filter_map(|path| path.strip_prefix("tile/0/"))
            .map(|rest| format!("tile/entries/{rest}"))
            .collect();
        expected.extend(entries);
        expected.sort();
        new.sort();
        assert_eq!(new, expected.iter().collect::<Vec<_>>(), "from {published} to {size}");
        published = size;
    }
}

#[test]
fn a_partial_tile_that_is_gone_is_read_from_the_full_one() {
    let mut log = Log::of(200, numbered);
    let root = log.tree.root();
    log.grow(256);
    log.files.retain(|path, _| !path.contains(".p/200"));
    assert!(proof::inclusion_holds(numbered(150).hash(), 150, &log.inclusion(150, 200), TreeHead { size: 200, root }));
}

#[test]
fn an_impossible_proof_is_refused_with_its_place() {
    let mut log = Log::of(300, numbered);
    let read = |_: TreeNode| -> Result<Hash, String> { unreachable!() };
    assert_eq!(proof::inclusion(300, 300, read), Err(ProofError::Beyond { asked: 301, size: 300 }));
    assert_eq!(proof::inclusion(0, 0, read), Err(ProofError::Beyond { asked: 1, size: 0 }));
    assert_eq!(proof::consistency(301, 300, read), Err(ProofError::Beyond { asked: 301, size: 300 }));
    let said = |log: &Log| {
        let mut nodes = TileNodes::new(300, |path| log.read(path));
        proof::inclusion(7, 300, |node| nodes.node(node)).unwrap_err().to_string()
    };
    log.files.get_mut("tile/0/000").unwrap().pop();
    assert_eq!(said(&log), "`tile/0/000` is not as long as it must be");
    log.files.remove("tile/0/000");
    assert_eq!(said(&log), "`tile/0/000`: no `tile/0/000`");
}

#[test]
fn commitments_are_what_the_document_says() {
    let salt = Salt::derive(&[0x0b; 32], "r-1");
    assert_eq!(Hash(salt.0).to_string(), "EDlQbfvJjLf1PXsPSMnSjDRG7B57Tv/rRIvhDGsyr0M=");
    let leaf = Leaf::commit(&salt, br#"{"purpose":"personalisation"}"#);
    assert_eq!(leaf.bytes()[0], 1);
    assert_eq!(Hash(leaf.bytes()[1..].try_into().unwrap()).to_string(), "dTnnjdL3coSiLIAsZNrL/FNeGlPRmgbiLwMrCNAyedc=");
    assert_eq!(Leaf::read(leaf.bytes()), Some(leaf));
    assert_eq!(Leaf::read(&leaf.bytes()[1..]), None);
    assert_eq!(Leaf::read(&[0; Leaf::SIZE]), None);
}

#[test]
fn others_verify_checkpoints_and_we_verify_theirs() {
    let log = Log::of(300, numbered);
    let note = Checkpoint::sign(300, log.tree.root(), &key());
    let verifier = StandardVerifier::new(&key().verifying_key().to_string()).unwrap();
    let read = Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, unverified) = read.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size()), ("tactful.example/ledger", 300));
    assert_eq!(*checkpoint.hash(), theirs(log.tree.root()));

    let text = tlog_tiles::Checkpoint::new("tactful.example/ledger", 300, theirs(log.tree.root()), "more\n").unwrap();
    let mut theirs = Note::new(&text.to_bytes(), &[]).unwrap();
    theirs.add_sigs(&[&StandardSigner::new(&key().secret_text()).unwrap()]).unwrap();
    let opened = Checkpoint::open(std::str::from_utf8(&theirs.to_bytes()).unwrap(), &key().verifying_key()).unwrap();
    assert_eq!((opened.size, opened.root, opened.extension), (300, log.tree.root(), vec!["more".to_owned()]));
}

#[test]
fn a_key_speaks_for_no_other_log() {
    let text = tlog_tiles::Checkpoint::new("elsewhere.example/log", 0, tlog_tiles::EMPTY_HASH, "").unwrap();
    let mut note = Note::new(&text.to_bytes(), &[]).unwrap();
    note.add_sigs(&[&StandardSigner::new(&key().secret_text()).unwrap()]).unwrap();
    let refused = Checkpoint::open(std::str::from_utf8(&note.to_bytes()).unwrap(), &key().verifying_key());
    assert_eq!(refused, Err(CheckpointError::OtherLog("elsewhere.example/log".into())));
}

#[test]
fn a_receipt_verifies_with_the_code_of_others_alone() {
    let log = Log::of(300, committed);
    let text = log.receipt(123).to_string();
    let opened = Receipt::open(&text, &key().verifying_key()).unwrap();
    assert_eq!((opened.record, opened.index, opened.checkpoint.size), (record(123).into_bytes(), 123, 300));
    assert_eq!(receipt_of_others(&text, &key().verifying_key().to_string()), record(123).into_bytes());
}

/// The record of a receipt, read and verified with none of our code.
pub fn receipt_of_others(text: &str, vkey: &str) -> Vec<u8> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let (head, checkpoint) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
    let extra = BASE64_STANDARD.decode(lines.next().unwrap().strip_prefix("extra ").unwrap()).unwrap();
    let index: u64 = lines.next().unwrap().strip_prefix("index ").unwrap().parse().unwrap();
    let path: Vec<tlog_tiles::Hash> = lines.map(|line| tlog_tiles::Hash::parse_hash(line).unwrap()).collect();

    let note = Note::from_bytes(checkpoint.as_bytes()).unwrap();
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(vkey).unwrap())]);
    assert_eq!(note.verify(&known).unwrap().0.len(), 1);
    let head = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();

    let (salt, record) = extra.split_at(32);
    let mac = Hmac::<Sha256>::new_from_slice(salt).unwrap().chain_update(record).finalize().into_bytes();
    let leaf = [&[1], mac.as_slice()].concat();
    tlog_tiles::check_record(&path, head.size(), *head.hash(), index, tlog_tiles::record_hash(&leaf)).unwrap();
    let root = RootHash::<Sha256>::new(head.hash().0.into(), head.size());
    let claim = InclusionProof::from_bytes(path.iter().flat_map(|hash| hash.0).collect());
    root.verify_inclusion(&leaf, index, &claim).unwrap();
    record.to_vec()
}

#[test]
fn any_flipped_bit_of_a_receipt_or_a_checkpoint_is_refused() {
    let log = Log::of(7, committed);
    let text = log.receipt(3).to_string();
    let key = key().verifying_key();
    let flipped = |text: &str, bit: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    };
    for bit in 0..text.len() * 8 {
        let Some(changed) = flipped(&text, bit) else { continue };
        assert!(Receipt::open(&changed, &key).is_err(), "bit {bit}:\n{changed}");
    }
    let (_, note) = text.split_once("\n\n").unwrap();
    for bit in 0..note.len() * 8 {
        let Some(changed) = flipped(note, bit) else { continue };
        assert!(Checkpoint::open(&changed, &key).is_err(), "bit {bit}:\n{changed}");
    }
}

#[test]
fn a_receipt_says_why_it_proves_nothing() {
    let log = Log::of(7, committed);
    let good = log.receipt(3);
    let key = key().verifying_key();
    let other = SigningKey::new("tactful.example/ledger", &[1; 32]).unwrap();
    let elsewhere = SigningKey::new("elsewhere.example/log", &[9; 32]).unwrap();
    let (size, root) = (log.tree.size(), log.tree.root());
    let cases: [(&str, Receipt); 5] = [
        ("another record", Receipt { record: b"record 4".to_vec(), ..good.clone() }),
        ("another place", Receipt { index: 4, ..good.clone() }),
        ("no proof", Receipt { path: Vec::new(), ..good.clone() }),
        ("another signer", Receipt { checkpoint: Checkpoint::sign(size, root, &other), ..good.clone() }),
        ("another log", Receipt { checkpoint: Checkpoint::sign(size, root, &elsewhere), ..good.clone() }),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(case, receipt)| format!("{case}: {}", Receipt::open(&receipt.to_string(), &key).unwrap_err()))
        .chain(["", "c2sp.org/tlog-proof@v1\nindex 0\n\nx"].map(|text| match Receipt::open(text, &key) {
            Err(error @ ReceiptError::Shape(_)) => format!("{text:?}: {error}"),
            other => panic!("{other:?}"),
        }))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_tree_agrees_with_the_definition_and_with_others(size in 1_u64..700, index in any::<u64>(), earlier in any::<u64>()) {
        let (index, earlier) = (index % size, 1 + earlier % size);
        let log = Log::of(size, numbered);
        let leaves: Vec<Hash> = (0..size).map(|index| numbered(index).hash()).collect();
        prop_assert_eq!(log.tree.root(), defined(&leaves));
        included(&log, index);
        consistent(&log, TreeHead { size: earlier, root: defined(&leaves[..earlier as usize]) });
    }

    #[test]
    fn a_changed_proof_proves_nothing(size in 2_u64..400, index in any::<u64>(), earlier in any::<u64>(), bit in any::<usize>()) {
        let (index, earlier) = (index % size, 1 + earlier % (size - 1));
        let log = Log::of(size, numbered);
        let root = log.tree.root();
        let hash = numbered(index).hash();
        let path = log.inclusion(index, size);
        let holds = |hash, index, size, path: &[Hash]| proof::inclusion_holds(hash, index, path, TreeHead { size, root });
        prop_assert!(holds(hash, index, size, &path));
        prop_assert!(!holds(flip(hash, bit), index, size, &path));
        prop_assert!(!holds(hash, (index + 1) % size, size, &path));
        prop_assert!(!holds(hash, index, size, &path[1..]));
        prop_assert!(!holds(hash, index, size, &changed(&path, bit)));
        prop_assert!(!holds(hash, index, size, &[path.as_slice(), &[hash]].concat()));

        let old = Log::of(earlier, numbered).tree.root();
        let path = log.consistency(earlier, size);
        let (old, new) = (TreeHead { size: earlier, root: old }, TreeHead { size, root });
        let flipped = |head: TreeHead| TreeHead { root: flip(head.root, bit), ..head };
        prop_assert!(proof::consistency_holds(old, new, &path));
        prop_assert!(!proof::consistency_holds(flipped(old), new, &path));
        prop_assert!(!proof::consistency_holds(old, flipped(new), &path));
        prop_assert!(!proof::consistency_holds(old, new, &changed(&path, bit)));
        prop_assert!(!proof::consistency_holds(old, new, &path[1..]));
        prop_assert!(!proof::consistency_holds(old, new, &[path.as_slice(), &[hash]].concat()));
    }
}

/// The root as RFC 6962, section 2.1, defines it.
fn defined(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_empty_tree(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::of_node(defined(left), defined(right))
        }
    }
}

fn flip(mut hash: Hash, bit: usize) -> Hash {
    hash.0[bit / 8 % 32] ^= 1 << (bit % 8);
    hash
}

fn changed(path: &[Hash], bit: usize) -> Vec<Hash> {
    let mut path = path.to_vec();
    let place = bit % path.len();
    path[place] = flip(path[place], bit);
    path
}

//! The consent ledger in the database: records, erasures, and the published log.
//!
//! The head and the frames are one truth for all nodes, so any node may sign: the tree over the frames up to a size, and so
//! the checkpoint, is the same on every node, and no two histories can be signed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::types::ToSql;

use super::shared::Shared;
use super::{alone, person};
use crate::domain::consent::{ConsentRecord, json_ld};
use crate::domain::time::Moment;
use crate::ledger::proof::{Hash, Leaf, LogFile, ProofError, Receipt, Tile, TileNodes, Tree, consistency, inclusion};
use crate::ledger::{Erasure, Ledger, LedgerError};

/// How many leaves are read at once.
const LEAVES: i64 = 50_000;

pub struct PostgresLedger {
    shared: Arc<Shared>,
    signed: Mutex<Signed>,
}

/// The tree that this node has computed, and the last note that it signed.
#[derive(Default)]
struct Signed {
    tree: Tree,
    size: u64,
    note: String,
}

impl std::fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shared.fmt(f)
    }
}

impl PostgresLedger {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, signed: Mutex::default() }
    }

    fn stored(&self, customer: &str) -> Result<crate::storage::Stored, LedgerError> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let reply = Box::new(move |stored| drop(send.send(stored)));
        self.shared.load(customer, reply);
        receive.recv().map_err(|error| LedgerError::Unavailable(error.to_string()))
    }

    /// A checkpoint over everything that is committed, and its size. Tiles are published before it.
    fn sign(&self) -> Result<(u64, String), LedgerError> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tree = signed.tree.clone();
        let mut files: Vec<LogFile> = Vec::new();
        loop {
            let from = i64::try_from(tree.size()).unwrap_or(i64::MAX);
            let leaves = self.shared.ask(move |session| async move {
                let statement = "SELECT leaf FROM frame WHERE position > $1 ORDER BY position LIMIT $2";
                session.client.query(statement, &[&from, &LEAVES]).await
            });
            let leaves = leaves.map_err(LedgerError::Unavailable)?;
            for row in &leaves {
                let leaf = Leaf::read(row.get(0));
                let damaged = || LedgerError::Unavailable(format!("record {} is damaged", tree.size() + 1));
                let leaf = leaf.ok_or_else(damaged)?;
                files.extend(tree.append(&leaf));
            }
            if (leaves.len() as i64) < LEAVES {
                break;
            }
        }
        let size = tree.size();
        if size == signed.size && !signed.note.is_empty() {
            return Ok((size, signed.note.clone()));
        }
        files.extend(tree.partial_files(signed.size));
        let note = self.shared.keys.sign(size, tree.root());
        self.publish(files, size, note.clone())?;
        *signed = Signed { tree, size, note: note.clone() };
        Ok((size, note))
    }

    fn publish(&self, files: Vec<LogFile>, size: u64, note: String) -> Result<(), LedgerError> {
        let (paths, bytes): (Vec<String>, Vec<Vec<u8>>) = files.into_iter().map(|file| (file.path, file.bytes)).unzip();
        let full: Vec<String> =
            paths.iter().filter(|path| !path.contains(".p/")).map(|path| format!("{path}.p/")).collect();
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let published = self.shared.ask(move |session| async move {
            let tiles =
                "INSERT INTO tile (path, bytes) SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING";
            session.client.execute(tiles, &[&paths, &bytes]).await?;
            // A full tile replaces its partial ones.
            let partial = "DELETE FROM tile USING unnest($1::text[]) AS f(start) WHERE starts_with(path, f.start)";
            session.client.execute(partial, &[&full]).await?;
            let head = "INSERT INTO checkpoint (size, note) VALUES ($1, $2) ON CONFLICT (one) DO UPDATE \
                SET size = excluded.size, note = excluded.note WHERE checkpoint.size < excluded.size";
            session.client.execute(head, &[&size, &note]).await
        });
        published.map(drop).map_err(LedgerError::Unavailable)
    }

    fn nodes(&self, size: u64) -> TileNodes<impl FnMut(&str) -> Result<Vec<u8>, LedgerError>> {
        TileNodes::new(size, move |path: &str| {
            let name = path.to_owned();
            let row = self.shared.ask(move |session| async move {
                session.client.query_opt("SELECT bytes FROM tile WHERE path = $1", &[&name]).await
            });
            let missing = || LedgerError::Unavailable(format!("the tile `{path}` is missing"));
            row.map_err(LedgerError::Unavailable)?.map(|row| row.get(0)).ok_or_else(missing)
        })
    }

    /// The record at a position, with the salt of its leaf.
    fn open(&self, position: u64) -> Result<(ConsentRecord, crate::ledger::proof::Salt), LedgerError> {
        let place = i64::try_from(position).unwrap_or(i64::MAX);
        let row = self.shared.ask(move |session| async move {
            let statement = "SELECT f.key, f.position, f.kind, f.random, f.leaf, f.payload, p.key FROM frame f \
                LEFT JOIN person p ON p.key_name = f.key WHERE f.position = $1";
            session.client.query_opt(statement, &[&place]).await
        });
        let row = row.map_err(LedgerError::Unavailable)?;
        let row = row.ok_or_else(|| LedgerError::NotFound(format!("the ledger has no record {position}")))?;
        let damaged = || LedgerError::Unavailable(format!("record {position} is damaged"));
        let sealed = person::sealed(&row).ok().flatten().ok_or_else(damaged)?;
        let wrapped: Option<&[u8]> = row.get(6);
        let key = wrapped.and_then(|wrapped| self.shared.keys.unwrap_key(sealed.key, wrapped));
        if key.is_none() && sealed.kind != 2 {
            return Err(LedgerError::NotFound(format!("record {position} is an erased customer's")));
        }
        self.shared.keys.open_record(&sealed, key.as_ref()).ok_or_else(damaged)
    }
}

impl Ledger for PostgresLedger {
    /// Only restrictions that could not be recorded with their customer come here.
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        let mut last = 0;
        for part in records.chunk_by(|one, next| one.customer == next.customer) {
            let Some(first) = part.first() else { continue };
            last = alone::record(&self.shared, &first.customer, part)?;
        }
        Ok(last)
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        let unavailable = |why: String| LedgerError::Unavailable(why);
        let keys = &self.shared.keys;
        let record = keys.erasure(customer, now).map_err(|error| unavailable(error.to_string()))?;
        let mark = getrandom::u64().map_err(|error| unavailable(error.to_string()))?.cast_signed();
        let (id, token) = (keys.pseudonym(customer).0.to_vec(), keys.token(customer).to_vec());
        // Other spellings of the id begin with the same bytes.
        let person = id.get(..12).unwrap_or_default();
        let (first, end) = (person.to_vec(), [person, [0xff; 9].as_slice()].concat());
        let erased = self.shared.ask(move |session| async move {
            let kind = i16::try_from(record.kind).unwrap_or_default();
            let (random, leaf) = (record.random.to_vec(), record.leaf.bytes().to_vec());
            let parameters: [&(dyn ToSql + Sync); 10] =
                [&id, &token, &first, &end, &mark, &now.0, &kind, &random, &leaf, &record.payload];
            let row = session.client.query_one(include_str!("sql/erase.sql"), &parameters).await?;
            // A statement of its own: it sees what was committed until the person's key was gone.
            let decisions = "DELETE FROM decision WHERE person >= $1 AND person < $2";
            session.client.execute(decisions, &[&first, &end]).await?;
            Ok((row.get::<_, i64>(0), row.get::<_, bool>(1)))
        });
        let (position, repeated) = erased.map_err(unavailable)?;
        let position = position.cast_unsigned();
        self.shared.state.size.fetch_max(position, Ordering::AcqRel);
        Ok(Erasure { position, repeated })
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        self.stored(customer).ok()?.erased_at
    }

    fn size(&self) -> u64 {
        self.shared.state.size.load(Ordering::Acquire)
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        self.stored(customer)?.records
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        Ok(self.sign()?.1)
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        let (record, salt) = self.open(position)?;
        let (size, checkpoint) = self.sign()?;
        let index = position.saturating_sub(1);
        let mut nodes = self.nodes(size);
        let path = inclusion(index, size, |node| nodes.node(node));
        let path = path.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        let receipt = Receipt { record: json_ld(&record).into_bytes(), salt, index, path, checkpoint };
        let verified = receipt.clone().verify(&self.shared.keys.verifying_key());
        verified.map_err(|error| LedgerError::Unavailable(format!("a tile of the ledger is damaged: {error}")))?;
        Ok(receipt.to_string())
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        let (signed, _) = self.sign()?;
        if size > signed {
            return Err(LedgerError::NotFound(format!("the ledger has {signed} records, not {size}")));
        }
        let mut nodes = self.nodes(signed);
        consistency(earlier, size, |node| nodes.node(node)).map_err(|error| match error {
            ProofError::Beyond { .. } => LedgerError::NotFound(error.to_string()),
            ProofError::Missing(_) => LedgerError::Unavailable(error.to_string()),
        })
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        Ok(self.shared.keys.verifying_key().to_string())
    }
}

const _: () = assert!(Tile::WIDTH == 256, "docs/cluster.md says so");

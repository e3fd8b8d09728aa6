//! What this node has seen of the database, in a file of its own: a database that was put back to an older copy is noticed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio_postgres::{Error, Row};

use crate::ledger::disk::{RealDisk, replace};

/// The file's name in the node's data folder.
const FILE: &str = "seen";

/// How far a database is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// The number of consent records, and the leaf of the last, in hexadecimal digits.
    pub records: u64,
    leaf: String,
    erasures: u64,
    /// The identity of the server's files, and the timeline: each failover begins a later one.
    system: u64,
    timeline: u32,
}

impl Position {
    /// The columns that `read` expects, from `ledger_head AS h`.
    pub const COLUMNS: &str = "h.size, coalesce((SELECT encode(leaf, 'hex') FROM frame WHERE position = h.size), ''), \
        h.erasures, (SELECT system_identifier FROM pg_control_system()), \
        substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

    /// From the first columns of a row.
    ///
    /// # Errors
    /// When they are of other types.
    pub fn read(row: &Row) -> Result<Self, Error> {
        let timeline: &str = row.try_get(4)?;
        Ok(Self {
            records: row.try_get::<_, i64>(0)?.cast_unsigned(),
            leaf: row.try_get(1)?,
            erasures: row.try_get::<_, i64>(2)?.cast_unsigned(),
            system: row.try_get::<_, i64>(3)?.cast_unsigned(),
            timeline: u32::from_str_radix(timeline, 16).unwrap_or(0),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (records, erasures, system, timeline) = (number()?, number()?, number()?, number()?);
        let leaf = words.next()?.to_owned();
        Some(Self { records, leaf, erasures, system, timeline: timeline.try_into().ok()? })
    }

    fn text(&self) -> String {
        let Self { records, leaf, erasures, system, timeline } = self;
        format!("{records} {erasures} {system} {timeline} {leaf}\n")
    }
}

/// The furthest position that the node has seen.
#[derive(Debug)]
pub struct Seen {
    path: PathBuf,
    position: Position,
}

impl Seen {
    /// What the file of a data folder says; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(data: &Path) -> Result<Self, String> {
        let path = data.join(FILE);
        let wrong = |why: &str| format!("`{}`, where this node notes what it has seen, {why}", path.display());
        let position = match fs::read_to_string(&path) {
            Ok(text) => Position::parse(&text).ok_or_else(|| wrong("is damaged"))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Position::default(),
            Err(error) => return Err(wrong(&format!("cannot be read: {error}"))),
        };
        Ok(Self { path, position })
    }

    /// The number of records that was seen.
    pub fn records(&self) -> u64 {
        self.position.records
    }

    /// Refuses a database that is behind what was seen, or has another history. `then` is its leaf at the position that was
    /// seen. Notes how far it is otherwise.
    ///
    /// # Errors
    /// With the reason.
    pub fn check(&mut self, now: Position, then: &str) -> Result<(), String> {
        let Self { path, position: seen } = self;
        let accept = format!("restore a newer copy, or remove `{}` to accept this one", path.display());
        if now.records < seen.records || now.erasures < seen.erasures {
            return Err(format!(
                "the database is an older copy: it has {} consent records and {} erasures, and this node has seen {} and {}; \
                 {accept}",
                now.records, now.erasures, seen.records, seen.erasures
            ));
        }
        if then != seen.leaf {
            return Err(format!(
                "consent record {} of the database is not the one that this node has seen; {accept}",
                seen.records
            ));
        }
        if now.system == seen.system && now.timeline < seen.timeline {
            return Err(format!(
                "this server is at timeline {}, and this node has seen {}: another one was promoted since; {accept}",
                now.timeline, seen.timeline
            ));
        }
        if now != *seen {
            let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
            let written = folder.and_then(|()| replace(&RealDisk, path, now.text().as_bytes()));
            if let Err(error) = written {
                tracing::warn!(%error, path = %path.display(), "what this node has seen of the database cannot be noted");
            }
            *seen = now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(records: u64, leaf: &str, erasures: u64, timeline: u32) -> Position {
        Position { records, leaf: leaf.to_owned(), erasures, system: 7, timeline }
    }

    #[test]
    fn a_database_that_is_behind_or_another_one_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let mut seen = Seen::open(data.path()).unwrap();
        seen.check(at(3, "c", 1, 2), "").unwrap();
        let mut seen = Seen::open(data.path()).unwrap();
        assert_eq!(seen.position, at(3, "c", 1, 2));
        seen.check(at(4, "d", 1, 2), "c").unwrap();
        for (now, then, why) in [
            (at(3, "c", 1, 2), "", "older copy"),
            (at(4, "d", 0, 2), "d", "older copy"),
            (at(5, "e", 1, 2), "x", "not the one"),
            (at(5, "e", 1, 1), "d", "timeline 1"),
        ] {
            let refused = seen.check(now, then).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        seen.check(Position { system: 8, ..at(4, "d", 1, 1) }, "d").unwrap();
        seen.check(Position { system: 8, ..at(4, "d", 1, 1) }, "d").unwrap();
        fs::write(data.path().join(FILE), "3 1").unwrap();
        assert!(Seen::open(data.path()).unwrap_err().contains("damaged"));
    }
}

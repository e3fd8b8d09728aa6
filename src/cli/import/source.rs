//! Reads a file of lines or a table, one line at a time, from a place on. Memory is bounded by the longest line.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::line::Line;
use super::types::Declared;
use crate::cli::Failure;

/// The most bytes of a line.
const LONGEST: u64 = 1024 * 1024;

/// A place between two lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Place {
    /// Bytes before it.
    pub byte: u64,
    /// Lines before it.
    pub line: u64,
}

/// A line that was read.
#[derive(Debug)]
pub(super) struct Numbered {
    /// Its number, from 1; of a row with line breaks, the number of its first line.
    pub number: u64,
    /// The place behind it.
    pub end: Place,
    /// What it says, or why it cannot be read and its text.
    pub line: Result<Line, (String, String)>,
}

/// A file that is read line by line.
pub(super) enum Source {
    /// One JSON object on each line.
    Lines { file: BufReader<File>, at: Place },
    /// A header and rows.
    Table(Table),
}

impl Source {
    /// Opens a file: a table if its name ends in `.csv`.
    pub fn open(path: &Path, declared: &Declared) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            return Table::open(file, path, declared).map(Self::Table);
        }
        Ok(Self::Lines { file: BufReader::new(file), at: Place::default() })
    }

    /// Goes on at a place. The beginning of a table is behind its header.
    pub fn seek(&mut self, place: Place) -> io::Result<()> {
        match self {
            Self::Lines { file, at } => {
                *at = place;
                file.seek(SeekFrom::Start(place.byte)).map(drop)
            }
            Self::Table(table) => table.seek(place),
        }
    }

    /// The next line that is not blank.
    pub fn next(&mut self, declared: &Declared) -> io::Result<Option<Numbered>> {
        match self {
            Self::Lines { file, at } => next_line(file, at),
            Self::Table(table) => table.next(declared),
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("`{}` cannot be read: {error}", path.display()))
}

fn next_line(file: &mut BufReader<File>, at: &mut Place) -> io::Result<Option<Numbered>> {
    loop {
        let mut bytes = Vec::new();
        let mut read = file.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)? as u64;
        if read == 0 {
            return Ok(None);
        }
        let is_whole = bytes.ends_with(b"\n") || read < LONGEST;
        if !is_whole {
            read += skip_line(file)?;
        }
        let number = at.line + 1;
        *at = Place { byte: at.byte + read, line: number };
        let text = String::from_utf8_lossy(&bytes);
        // A byte order mark is allowed, as some programs write one.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        let line = match (is_whole, std::str::from_utf8(&bytes)) {
            (false, _) => Err(format!("is longer than {LONGEST} bytes; split it into several lines")),
            (true, Err(_)) => Err("is not UTF-8".to_owned()),
            (true, Ok(_)) => Line::parse(text),
        };
        let shown = if is_whole { text } else { text.get(..1_000).unwrap_or_default() };
        let line = line.map_err(|why| (why, shown.to_owned()));
        return Ok(Some(Numbered { number, end: *at, line }));
    }
}

/// Reads to the end of a line, and returns how many bytes that is.
fn skip_line(file: &mut BufReader<File>) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = file.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        let is_last = end.is_some() || buffer.is_empty();
        file.consume(used);
        skipped += used as u64;
        if is_last {
            return Ok(skipped);
        }
    }
}

/// A file that ends early if a row is too long, for example because a quote is not closed.
struct Bounded {
    file: File,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other(format!("a row of more than {LONGEST} bytes: is a quote not closed?")));
        }
        let read = self.file.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

impl io::Seek for Bounded {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}

/// The place of a column in a line.
enum Column {
    Customer,
    TimeZone,
    /// A member of the only entry of a list.
    Entry(&'static str, String),
    /// A field of the event.
    Field(String),
    Attribute(String),
}

/// The lists of a line, by the word that begins a column.
const LISTS: [(&str, &str); 4] =
    [("consent", "consents"), ("event", "events"), ("contact", "contacts"), ("outcome", "outcomes")];

/// A table: each row is a line, with at most one entry of each kind.
pub(super) struct Table {
    reader: csv::Reader<Bounded>,
    left: Rc<Cell<u64>>,
    columns: Vec<Column>,
    first: Place,
}

impl Table {
    fn open(file: File, path: &Path, declared: &Declared) -> Result<Self, Failure> {
        let left = Rc::new(Cell::new(LONGEST));
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(Bounded { file, left: Rc::clone(&left) });
        let header = reader.headers().map_err(|error| unreadable(path, &io::Error::from(error)))?.clone();
        let columns = header.iter().map(|name| column(name.trim_start_matches('\u{feff}').trim(), declared));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(|why| {
            let help = "`customer`, `time_zone`, names of attributes, and `consent.`, `event.`, `event.fields.`, `contact.` \
                or `outcome.` with a key of such an entry are columns; docs/import.md lists them";
            Failure::new(format!("{}:1: {why}", path.display())).help(help)
        })?;
        if !columns.iter().any(|column| matches!(column, Column::Customer)) {
            return Err(Failure::new(format!("{}:1: there is no column `customer`", path.display()))
                .help("the first line has the names of the columns"));
        }
        let first = place(reader.position());
        Ok(Self { reader, left, columns, first })
    }

    fn seek(&mut self, to: Place) -> io::Result<()> {
        let to = if to.byte == 0 { self.first } else { to };
        let mut position = csv::Position::new();
        position.set_byte(to.byte).set_line(to.line + 1);
        self.reader.seek(position).map_err(io::Error::from)
    }

    fn next(&mut self, declared: &Declared) -> io::Result<Option<Numbered>> {
        self.left.set(LONGEST);
        let number = self.reader.position().line();
        let mut row = csv::ByteRecord::new();
        if !self.reader.read_byte_record(&mut row).map_err(io::Error::from)? {
            return Ok(None);
        }
        let number = row.position().map_or(number, csv::Position::line);
        let text = || row.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
        let line = self.line(&row, declared).map_err(|why| (why, text()));
        Ok(Some(Numbered { number, end: place(self.reader.position()), line }))
    }

    fn line(&self, row: &csv::ByteRecord, declared: &Declared) -> Result<Line, String> {
        if row.len() != self.columns.len() {
            return Err(format!("has {} cells, and the header has {}", row.len(), self.columns.len()));
        }
        let cells = row.iter().map(|cell| std::str::from_utf8(cell).map(str::trim)).collect::<Result<Vec<_>, _>>();
        let cells = cells.map_err(|_| "is not UTF-8")?;
        let (mut line, mut lists, mut fields) = (Line::default(), Map::new(), Vec::new());
        for (column, cell) in self.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            match column {
                Column::Customer => line.customer = cell.to_owned(),
                Column::TimeZone => line.time_zone = cell.to_owned(),
                Column::Attribute(name) => {
                    line.attributes.insert(name.clone(), declared.attribute_of_text(name, cell)?);
                }
                Column::Field(name) => fields.push((name, cell)),
                Column::Entry(list, key) => {
                    let entry = lists.entry((*list).to_owned()).or_insert_with(|| Json::Object(Map::new()));
                    entry.as_object_mut().and_then(|entry| entry.insert(key.clone(), cell.into()));
                }
            }
        }
        if !fields.is_empty() {
            let entry = lists.entry("events".to_owned()).or_insert_with(|| Json::Object(Map::new()));
            let kind = entry.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
            let typed = fields
                .into_iter()
                .map(|(name, cell)| declared.field_of_text(&kind, name, cell).map(|value| (name.clone(), value)));
            let typed = typed.collect::<Result<Map<_, _>, _>>()?;
            entry.as_object_mut().and_then(|entry| entry.insert("fields".to_owned(), Json::Object(typed)));
        }
        for (list, entry) in lists {
            let wrong = |error: serde_json::Error| format!("{list}: {error}");
            match list.as_str() {
                "consents" => line.consents.push(serde_json::from_value(entry).map_err(wrong)?),
                "events" => line.events.push(serde_json::from_value(entry).map_err(wrong)?),
                "contacts" => line.contacts.push(serde_json::from_value(entry).map_err(wrong)?),
                _ => line.outcomes.push(serde_json::from_value(entry).map_err(wrong)?),
            }
        }
        Ok(line)
    }
}

fn place(position: &csv::Position) -> Place {
    Place { byte: position.byte(), line: position.line().saturating_sub(1) }
}

/// What a column holds. An attribute must be declared, so that a misspelt name is found before anything is sent.
fn column(name: &str, declared: &Declared) -> Result<Column, String> {
    match name {
        "customer" => return Ok(Column::Customer),
        "time_zone" => return Ok(Column::TimeZone),
        _ => {}
    }
    if declared.has_attribute(name) {
        return Ok(Column::Attribute(name.to_owned()));
    }
    if let Some(field) = name.strip_prefix("event.fields.") {
        return Ok(Column::Field(field.to_owned()));
    }
    let (word, key) = name.split_once('.').unwrap_or((name, ""));
    match LISTS.iter().find(|(known, _)| *known == word) {
        Some((_, list)) if !key.is_empty() => Ok(Column::Entry(list, key.to_owned())),
        _ => Err(declared.unknown_column(name)),
    }
}

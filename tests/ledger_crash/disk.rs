//! A disk in memory that keeps what was synced and may lose the rest: the model of a power cut.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tactful::ledger::disk::{Disk, DiskFile};

use super::random::Random;

/// What a sector of zeros begins at.
const SECTOR: usize = 512;

/// One file, whatever its names.
#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
}

type Shared = Arc<Mutex<Content>>;

#[derive(Debug, Default)]
struct State {
    folders: BTreeSet<PathBuf>,
    now: BTreeMap<PathBuf, Shared>,
    synced: BTreeMap<PathBuf, Shared>,
    /// The number of operations until the power fails.
    power: Option<u64>,
    /// The free bytes.
    room: Option<usize>,
    /// The number of syncs until one fails.
    good_syncs: Option<u64>,
    /// The planted bug: nothing is ever synced.
    never_syncs: bool,
}

impl State {
    /// Unused bytes become free again.
    fn give_back(&mut self, bytes: usize) {
        if let Some(room) = &mut self.room {
            *room += bytes;
        }
    }
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct ModelDisk(Arc<Mutex<State>>);

impl ModelDisk {
    /// A disk on which a sync does nothing.
    pub fn that_never_syncs() -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().never_syncs = true;
        disk
    }

    /// A disk that holds these files, all synced.
    pub fn holding(files: &BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let disk = Self::default();
        let mut state = disk.0.lock().unwrap();
        for (path, bytes) in files {
            state.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
            let content = Arc::new(Mutex::new(Content { now: bytes.clone(), synced: bytes.clone() }));
            state.now.insert(path.clone(), Arc::clone(&content));
            state.synced.insert(path.clone(), content);
        }
        drop(state);
        disk
    }

    /// Every file there is now.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.lock().unwrap();
        state.now.iter().map(|(path, content)| (path.clone(), content.lock().unwrap().now.clone())).collect()
    }

    /// Lets the power fail after this many operations: all later ones fail and change nothing.
    pub fn cut_power_after(&self, operations: u64) {
        self.0.lock().unwrap().power = Some(operations);
    }

    /// Sets the free bytes.
    pub fn leave_room(&self, bytes: Option<usize>) {
        self.0.lock().unwrap().room = bytes;
    }

    /// Lets this many syncs succeed, and no more.
    pub fn fail_syncs_after(&self, syncs: u64) {
        self.0.lock().unwrap().good_syncs = Some(syncs);
    }

    /// A possible disk after the power cut: any part of what was not synced may be there or not.
    pub fn after_power_cut(&self, random: &mut Random) -> Self {
        let state = self.0.lock().unwrap();
        let mut files = BTreeMap::new();
        let paths: BTreeSet<&PathBuf> = state.now.keys().chain(state.synced.keys()).collect();
        for path in paths {
            let (now, synced) = (state.now.get(path), state.synced.get(path));
            let found = if random.below(2) == 0 { now } else { synced };
            let unchanged = now.zip(synced).is_some_and(|(now, synced)| Arc::ptr_eq(now, synced));
            if let Some(content) = if unchanged { now } else { found } {
                files.insert(path.clone(), survivors(&content.lock().unwrap(), random));
            }
        }
        let disk = Self::holding(&files);
        let mut fresh = disk.0.lock().unwrap();
        fresh.folders.extend(state.folders.iter().cloned());
        fresh.never_syncs = state.never_syncs;
        drop(fresh);
        disk
    }

    /// One operation, if there is power.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.0.lock().unwrap();
        match &mut state.power {
            Some(0) => return Err(io::Error::other("the power is out")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(state)
    }
}

/// What is left of a file: what was synced, a part of what was appended since, and zeros where the file system had
/// noted the new length before the bytes.
fn survivors(content: &Content, random: &mut Random) -> Vec<u8> {
    let Content { now, synced } = content;
    if !now.starts_with(synced) {
        return if random.below(2) == 0 { now.clone() } else { synced.clone() };
    }
    let kept = synced.len() + random.below(now.len() - synced.len() + 1);
    let mut bytes = now[..kept].to_vec();
    if random.below(3) == 0 {
        let whole = (kept / SECTOR * SECTOR).max(synced.len());
        bytes.truncate(whole);
        bytes.resize(now.len(), 0);
    }
    bytes
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", path.display()))
}

#[derive(Debug)]
struct ModelFile {
    disk: ModelDisk,
    content: Shared,
}

impl Disk for ModelDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<bool> {
        Ok(self.operate()?.folders.insert(folder.to_owned()))
    }

    fn file_names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.operate()?;
        let inside = state.now.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.operate()?;
        let content = state.now.get(path).ok_or_else(|| missing(path))?.lock().unwrap();
        Ok(content.now.clone())
    }

    fn read_part(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        // This takes no power: so a test compares what is held, and the power goes where something happens.
        let (state, from) = (self.0.lock().unwrap(), usize::try_from(from).unwrap());
        let content = state.now.get(path).ok_or_else(|| missing(path))?.lock().unwrap();
        let part = content.now.get(from..from + length).map(<[u8]>::to_vec);
        part.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.operate()?;
        assert!(state.folders.contains(path.parent().unwrap()), "{} has no folder", path.display());
        if state.now.contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let content = Shared::default();
        state.now.insert(path.to_owned(), Arc::clone(&content));
        drop(state);
        Ok(Box::new(ModelFile { disk: self.clone(), content }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let content = Arc::clone(self.operate()?.now.get(path).ok_or_else(|| missing(path))?);
        Ok(Box::new(ModelFile { disk: self.clone(), content }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let content = state.now.remove(from).ok_or_else(|| missing(from))?;
        if let Some(replaced) = state.now.insert(to.to_owned(), content) {
            state.give_back(replaced.lock().unwrap().now.len());
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let content = state.now.remove(path).ok_or_else(|| missing(path))?;
        state.give_back(content.lock().unwrap().now.len());
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.operate()?.now.retain(|path, _| !path.starts_with(folder));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        if state.never_syncs {
            return Ok(());
        }
        let inside = |path: &Path| path.parent() == Some(folder);
        let now: Vec<_> =
            state.now.iter().filter(|(path, _)| inside(path)).map(|(p, c)| (p.clone(), c.clone())).collect();
        state.synced.retain(|path, _| !inside(path));
        state.synced.extend(now);
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        Ok(Some(Box::new(())))
    }
}

impl DiskFile for ModelFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.operate()?;
        let written = bytes.len().min(state.room.unwrap_or(usize::MAX));
        if let Some(room) = &mut state.room {
            *room -= written;
        }
        self.content.lock().unwrap().now.extend(&bytes[..written]);
        if written < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.operate()?;
        match &mut state.good_syncs {
            Some(0) => return Err(io::Error::other("the disk has gone bad")),
            Some(left) => *left -= 1,
            None => {}
        }
        if !state.never_syncs {
            let mut content = self.content.lock().unwrap();
            content.synced = content.now.clone();
        }
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let (mut state, length) = (self.disk.operate()?, usize::try_from(length).unwrap());
        let mut content = self.content.lock().unwrap();
        state.give_back(content.now.len() - length);
        content.now.truncate(length);
        drop((state, content));
        self.sync()
    }

    fn wipe(&mut self) -> io::Result<()> {
        drop(self.disk.operate()?);
        self.content.lock().unwrap().now.fill(0);
        self.sync()
    }
}

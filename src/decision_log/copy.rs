//! Copies the log to a backup while it is written.

use super::DecisionLog;
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::disk::{Disk as _, RealDisk};
use crate::ledger::{CopySink, DataFolder, PART};

impl DecisionLog {
    /// Passes the files to `sink`, with the paths of a data folder: every entry that was written before the call. The
    /// indexes are left out: they are built again.
    ///
    /// # Errors
    /// When the disk or the sink fails.
    pub fn copy(&self, sink: &mut CopySink<'_>) -> Result<(), IoAt> {
        let files: Vec<_> = {
            let segments = self.shared.segments();
            segments.iter().map(|segment| (segment.path.clone(), segment.length)).collect()
        };
        for (path, length) in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{}/{name}", DataFolder::DECISIONS);
            for from in (0..length).step_by(PART) {
                let part = usize::try_from(length - from).unwrap_or(PART).min(PART);
                match RealDisk.read_part(&path, from, part) {
                    // It became too old meanwhile.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                    bytes => sink(&name, bytes.at(&path)?).at(&path)?,
                }
            }
        }
        Ok(())
    }
}

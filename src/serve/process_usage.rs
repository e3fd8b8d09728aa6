//! What the process uses, as Linux says it.

/// What the process uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Open files and connections.
    pub open_files: u64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Processor time in seconds, of all threads.
    pub processor_seconds: f64,
}

/// USER_HZ is 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;
/// Linux counts resident memory in pages of the processor; this is their usual size.
const PAGE: u64 = 4_096;

/// Reads it; `None` where it cannot be read.
#[must_use]
pub fn read() -> Option<Usage> {
    let open_files = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    let memory = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok()? * PAGE;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in brackets, which may hold anything, the 12th and 13th are the ticks in user and kernel mode.
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some(Usage { open_files, memory, processor_seconds: ticks / TICKS })
}

//! A size in bytes as people write it: `512MiB`.

use std::fmt;
use std::str::FromStr;

/// The units, largest first.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
/// The smallest size, in bytes.
const LEAST: u64 = 1 << 20;
/// The smallest memory limit of a server, in bytes.
const LEAST_MEMORY: u64 = 128 << 20;

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim_end(), bytes)));
        let size = unit.and_then(|(number, bytes)| number.parse::<u64>().ok()?.checked_mul(*bytes));
        let bytes = size.ok_or("write a whole number and one of KiB, MiB and GiB, such as `512MiB`")?;
        if bytes < LEAST { Err(format!("is less than `{}`", Self(LEAST))) } else { Ok(Self(bytes)) }
    }
}

impl Size {
    /// The memory limit of a server.
    pub(super) fn of_memory(text: &str) -> Result<Self, String> {
        match text.parse()? {
            Self(..LEAST_MEMORY) => Err(format!("a server needs at least `{}`", Self(LEAST_MEMORY))),
            size => Ok(size),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS.iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        let (unit, bytes) = fits.unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("512MiB", 512 << 20), ("4GiB", 4 << 30), ("200000 KiB", 200_000 << 10)] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
        for wrong in ["", "512", "512MB", "-1GiB", "1.5GiB", "99999999999GiB", "1KiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        assert_eq!(Size(512 << 20).to_string(), "512MiB");
        assert!(Size::of_memory("100MiB").is_err() && Size::of_memory("128MiB").is_ok());
    }
}

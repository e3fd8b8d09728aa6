//! Compact encodings of numbers, and a reader of bytes.
//!
//! Packed bytes stay in the memory of this process, or are stored in a format with a version.

/// Appends a number, seven bits a byte, lowest first; the top bit says that more follow.
pub fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// A whole number in the fewest bytes, lowest first; zero takes none.
#[must_use]
pub fn whole(number: i64) -> ([u8; 8], usize) {
    let needed = 65 - number.unsigned_abs().leading_zeros() as usize;
    (number.to_le_bytes(), if number == 0 { 0 } else { needed.div_ceil(8).min(8) })
}

/// The number that [`whole`] wrote.
#[must_use]
pub fn read_whole(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    i64::from_le_bytes(all)
}

/// The bytes that are left to read. If bytes are missing, reads return `None`, and the values are unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next number.
    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        if *first < 0x80 {
            self.0 = rest;
            return Some(u64::from(*first));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Option<u64> {
        let length = self.0.iter().take(10).position(|byte| *byte < 0x80)? + 1;
        let bytes = self.take(length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| (number << 7) | u64::from(byte & 0x7f)))
    }

    /// The next `length` bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next bytes, preceded by their number.
    #[inline]
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_went_in() {
        let numbers = [0, 1, 127, 128, 255, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let mut bytes = Vec::new();
        numbers.iter().for_each(|number| put_number(&mut bytes, *number));
        let mut reader = Reader(&bytes);
        numbers.iter().for_each(|number| assert_eq!(reader.number(), Some(*number)));
        assert_eq!(reader.number(), None);
        assert_eq!(Reader(&[0x80]).number(), None, "cut off in the middle");
        assert_eq!(Reader(&[5, 1]).counted(), None, "more is promised than is there");
    }

    #[test]
    fn whole_numbers_take_as_few_bytes_as_they_need() {
        for (number, length) in [(0, 0), (1, 1), (127, 1), (128, 2), (-128, 2), (-1, 1), (32_767, 2), (40_000, 3)] {
            assert_eq!(whole(number).1, length, "{number}");
        }
        for shift in 0..64 {
            for number in
                [1_i64 << shift, -(1_i64 << shift.min(62)), (1_i64 << shift).wrapping_sub(1), i64::MIN, i64::MAX]
            {
                let (bytes, length) = whole(number);
                assert_eq!(read_whole(&bytes[..length]), number);
            }
        }
    }
}

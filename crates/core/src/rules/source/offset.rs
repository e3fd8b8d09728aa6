//! Turns saphyr-parser's positions, which count characters, into byte offsets.

/// A byte offset is stored for every n-th character.
const STRIDE: usize = 64;

/// Byte offsets of one text.
pub(super) struct Offsets<'t> {
    text: &'t str,
    /// Byte offset of every [`STRIDE`]th character; empty for ASCII, where both counts agree.
    marks: Option<Vec<usize>>,
}

impl<'t> Offsets<'t> {
    /// Walks the text once.
    pub fn new(text: &'t str) -> Self {
        let marks = || text.char_indices().step_by(STRIDE).map(|(offset, _)| offset).collect();
        Self { text, marks: (!text.is_ascii()).then(marks) }
    }

    /// The byte offset of a character; the end of the text for one past the last.
    pub fn byte(&self, character: usize) -> usize {
        let Some(marks) = &self.marks else { return character.min(self.text.len()) };
        let Some(&mark) = marks.get(character / STRIDE) else { return self.text.len() };
        let rest = self.text.get(mark..).unwrap_or("");
        let within = rest.char_indices().nth(character % STRIDE).map_or(rest.len(), |(offset, _)| offset);
        mark + within
    }
}

#[cfg(test)]
mod tests {
    use super::Offsets;

    #[test]
    fn counts_bytes() {
        for text in ["", "abc", "é", &"aé€😀".repeat(100)] {
            let offsets = Offsets::new(text);
            let mut expected: Vec<usize> = text.char_indices().map(|(offset, _)| offset).collect();
            expected.extend([text.len(), text.len(), text.len()]);
            let found: Vec<usize> = (0..expected.len()).map(|character| offsets.byte(character)).collect();
            assert_eq!(found, expected);
        }
    }
}

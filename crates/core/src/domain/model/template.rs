//! Texts with facts in them: `Your {customer.contract|plan} is ready.`

use std::sync::Arc;

use crate::domain::expr::{FactId, Facts};
use crate::domain::value::Operand;

/// A text to fill. It may contain only facts that its action's purpose may disclose.
#[derive(Debug, Clone, Default)]
pub struct Template {
    parts: Vec<Part>,
    /// The highest sensitivity among facts without substitute words, from 0 to 1.
    pub sensitivity: f64,
    /// More sensitive facts with substitute words.
    replaceable: Vec<(FactId, f64)>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(Arc<str>),
    Fact { id: FactId, name: String, otherwise: Option<String> },
}

impl Part {
    /// The approximate length of the filled text, in bytes.
    fn length(&self) -> usize {
        match self {
            Self::Text(words) => words.len(),
            Self::Fact { .. } => 16,
        }
    }
}

impl Template {
    /// The filled text; a text without facts is shared, not copied.
    ///
    /// # Errors
    /// The name of an unknown fact without substitute words.
    pub fn fill(&self, facts: &impl Facts) -> Result<Arc<str>, &str> {
        if let [Part::Text(words)] = self.parts.as_slice() {
            return Ok(Arc::clone(words));
        }
        let mut text = String::with_capacity(self.parts.iter().map(Part::length).sum());
        for part in &self.parts {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Fact { id, name, otherwise } => match (facts.read(*id), otherwise) {
                    (Operand::Unknown, None) => return Err(name),
                    (Operand::Unknown, Some(words)) => text.push_str(words),
                    (Operand::Text(known), _) => text.push_str(known),
                    (known, _) => text.push_str(&known.to_string()),
                },
            }
        }
        Ok(text.into())
    }

    /// The name of an unknown fact without substitute words.
    pub fn missing(&self, facts: &impl Facts) -> Option<&str> {
        self.missing_where(facts, |_| true)
    }

    /// The name of an unknown fact without substitute words for which `counts` is true.
    pub fn missing_where(&self, facts: &impl Facts, counts: impl Fn(FactId) -> bool) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Fact { id, name, otherwise: None } if facts.read(*id) == Operand::Unknown && counts(*id) => {
                Some(name.as_str())
            }
            _ => None,
        })
    }

    /// Every fact in it.
    pub fn facts(&self) -> impl Iterator<Item = FactId> {
        self.parts.iter().filter_map(|part| if let Part::Fact { id, .. } = part { Some(*id) } else { None })
    }

    /// The highest sensitivity among the facts that it shows, from 0 to 1. Substitute words show none.
    pub fn shown_sensitivity(&self, facts: &impl Facts) -> f64 {
        let shown = self.replaceable.iter().filter(|(id, _)| facts.read(*id) != Operand::Unknown);
        shown.fold(self.sensitivity, |most, (_, sensitivity)| most.max(*sensitivity))
    }

    /// Appends literal words.
    pub fn push_text(&mut self, words: &str) {
        if !words.is_empty() {
            self.parts.push(Part::Text(words.into()));
        }
    }

    /// Appends a fact by name, with substitute words for an unknown value. `sensitivity` is from 0 to 1.
    pub fn push_fact(&mut self, id: FactId, name: &str, otherwise: Option<String>, sensitivity: f64) {
        match otherwise {
            None => self.sensitivity = self.sensitivity.max(sensitivity),
            Some(_) if sensitivity > 0.0 => self.replaceable.push((id, sensitivity)),
            Some(_) => {}
        }
        self.parts.push(Part::Fact { id, name: name.to_owned(), otherwise });
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

//! Texts with facts in them: `Your {customer.contract|plan} is ready.`

use std::sync::Arc;

use crate::domain::expr::{FactId, Facts};
use crate::domain::value::Operand;

/// A text to fill. It may hold only facts that its action's purpose may disclose.
#[derive(Debug, Clone, Default)]
pub struct Template {
    parts: Vec<Part>,
    /// The most personal fact that it cannot do without, from 0 to 1.
    pub sensitivity: f64,
    /// More personal facts for which words may stand in.
    replaceable: Vec<(FactId, f64)>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(Arc<str>),
    Fact { id: FactId, name: String, otherwise: Option<String> },
}

impl Part {
    /// About how many bytes it takes, filled.
    fn length(&self) -> usize {
        match self {
            Self::Text(words) => words.len(),
            Self::Fact { .. } => 16,
        }
    }
}

impl Template {
    /// The text with its facts; one without any is shared.
    ///
    /// # Errors
    /// The name of a fact that is not known and has no words to stand in for it.
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

    /// The name of a fact that is not known and has no words to stand in for it.
    pub fn missing(&self, facts: &impl Facts) -> Option<&str> {
        self.missing_where(facts, |_| true)
    }

    /// The name of a fact for which no words stand in, if it is not known and `counts` holds for it.
    pub fn missing_where(&self, facts: &impl Facts, counts: impl Fn(FactId) -> bool) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Fact { id, name, otherwise: None } if facts.read(*id) == Operand::Unknown && counts(*id) => {
                Some(name.as_str())
            }
            _ => None,
        })
    }

    /// How personal the facts are that it shows, from 0 to 1. Where words stand in, nothing is shown.
    pub fn shown_sensitivity(&self, facts: &impl Facts) -> f64 {
        let shown = self.replaceable.iter().filter(|(id, _)| facts.read(*id) != Operand::Unknown);
        shown.fold(self.sensitivity, |most, (_, sensitivity)| most.max(*sensitivity))
    }

    /// Appends words as they are.
    pub fn push_text(&mut self, words: &str) {
        if !words.is_empty() {
            self.parts.push(Part::Text(words.into()));
        }
    }

    /// Appends a fact by name, with words that stand in where it is not known. `sensitivity` is from 0 to 1.
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

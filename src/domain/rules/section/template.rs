//! Texts with facts in them: `Your {customer.contract|plan} is ready.`

use std::sync::Arc;

use crate::domain::rules::code;
use crate::domain::rules::expr::ast::{Expr, ExprKind};
use crate::domain::rules::expr::{self, FactId, FactTable, Facts, Scope};
use crate::domain::rules::reader;
use crate::domain::rules::source::Node;
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

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Reads a template; every fact in it must be readable for the scope's purpose.
pub fn read(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Template> {
    let written = reader::text(node, scope.sink)?;
    let mut template = Template::default();
    let mut rest = 0;
    while let Some(open) = written.get(rest..).and_then(|text| text.find('{')).map(|at| at + rest) {
        template.text(written.get(rest..open));
        let Some(close) = written.get(open..).and_then(|text| text.find('}')).map(|at| at + open) else {
            let help = "close it: `{customer.contract}`";
            let span = scope.place(node, open, written.len());
            return reader::refuse(span, code::BAD_TEMPLATE, "`{` without `}`".into(), help, scope.sink);
        };
        template.fact(written.get(open + 1..close).unwrap_or(""), (node, open + 1), scope, facts)?;
        rest = close + 1;
    }
    template.text(written.get(rest..));
    Some(template)
}

impl Template {
    fn text(&mut self, words: Option<&str>) {
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            self.parts.push(Part::Text(words.into()));
        }
    }

    fn fact(
        &mut self,
        inside: &str,
        (node, at): (&Node, usize),
        scope: Scope<'_>,
        facts: &mut FactTable,
    ) -> Option<()> {
        let (name, otherwise) = match inside.split_once('|') {
            Some((name, words)) => (name.trim(), Some(words.to_owned())),
            None => (inside.trim(), None),
        };
        let span = scope.place(node, at, at + inside.len());
        let plain = !name.is_empty()
            && name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'));
        if !plain {
            let help = "put a fact between the braces: `{customer.contract}` or `{customer.contract|your plan}`";
            return reader::refuse(span, code::BAD_TEMPLATE, format!("`{inside}` is not a fact"), help, scope.sink);
        }
        let mut names = name.split('.');
        let first = Expr { span, kind: ExprKind::Name(names.next().unwrap_or("").to_owned()) };
        let tree = names
            .fold(first, |inner, name| Expr { span, kind: ExprKind::Select(Box::new(inner), name.to_owned(), span) });
        let expr::Node::Fact(id) = expr::check(&tree, node.span, scope, facts)?.node else { return None };
        let sensitivity = facts.get(id).map_or(0.0, |entry| entry.sensitivity);
        match otherwise {
            None => self.sensitivity = self.sensitivity.max(sensitivity),
            Some(_) if sensitivity > 0.0 => self.replaceable.push((id, sensitivity)),
            Some(_) => {}
        }
        self.parts.push(Part::Fact { id, name: name.to_owned(), otherwise });
        Some(())
    }
}

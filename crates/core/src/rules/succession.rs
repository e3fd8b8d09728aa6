//! Checks rules against their predecessors: a purpose cannot change its basis silently, and a line lost from a file
//! does not lose data.

use std::sync::Arc;

use super::code;
use super::diagnostic::Diagnostic;
use super::load::Loaded;
use crate::domain::id::PurposeId;
use crate::domain::purpose::Purpose;
use crate::domain::rule_set::{DroppedPurpose, RuleSet};
use crate::domain::time::Moment;

impl Loaded {
    /// Makes these rules the successors of others: stores the purposes they drop, and refuses forbidden changes.
    #[must_use]
    pub fn succeeding(mut self, before: &RuleSet, now: Moment) -> Self {
        let Some(mut rules) = self.rule_set.take() else { return self };
        let refused: Vec<Diagnostic> =
            known(before, now).filter_map(|(id, known)| refuse(id, &known.terms, &rules)).collect();
        if refused.is_empty() {
            // Kept decisions keep their rule sets: those with the same notices share their texts.
            if rules.notices == before.notices {
                rules.notices = Arc::clone(&before.notices);
            }
            for (id, known) in known(before, now) {
                if rules.purpose(id).is_none() {
                    rules.dropped.insert(id, known);
                }
            }
            self.rule_set = Some(rules);
        }
        self.diagnostics.extend(refused);
        self.diagnostics.sort_by_key(|found| found.span);
        self
    }
}

/// Every purpose that the rules declare or have dropped.
fn known(rules: &RuleSet, now: Moment) -> impl Iterator<Item = (PurposeId, DroppedPurpose)> {
    let declared = rules.declared.purposes.iter();
    let declared = declared.map(move |(id, terms)| (id, DroppedPurpose { terms: terms.clone(), since: now }));
    declared.chain(rules.dropped.iter().map(|(id, dropped)| (id, dropped.clone())))
}

fn refuse(id: PurposeId, before: &Purpose, rules: &RuleSet) -> Option<Diagnostic> {
    let now = rules.purpose(id)?;
    let name = rules.vocabulary.name(id);
    let (message, help) = if before.retired && !now.retired {
        (format!("the purpose `{name}` was retired"), "a name means one thing for good: choose another".to_owned())
    } else if before.basis != now.basis && before.version == now.version {
        let (was, is) = (before.basis.name(), now.basis.name());
        let message = format!("the basis of `{name}` was `{was}` in version {}, and is `{is}` now", now.version);
        (message, format!("a changed basis needs a new version: `version: {}`", now.version.saturating_add(1)))
    } else {
        return None;
    };
    let span = rules.declared.purpose_spans.get(id).copied().unwrap_or_default();
    Some(Diagnostic::error(code::CONTRADICTION, span, message).help(help))
}

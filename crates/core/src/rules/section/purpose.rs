//! `purposes:` why personal data may be used.

use crate::domain::id::{IdMap, PurposeId, PurposeSet, Vocabulary};
use crate::domain::purpose::{Basis, Purpose};
use crate::rules::fields::Fields;
use crate::rules::reader;
use crate::rules::sink::Sink;
use crate::rules::source::Entry;
use crate::rules::{code, shape};

crate::words! {
    /// What a Global Privacy Control signal may mean to a purpose.
    pub enum GpcMeaning {
        /// An objection to the purpose.
        Objects = "objects",
    }
}

/// Reads one purpose; its ancestors are set by [`link`] when all are known.
pub fn read(entry: &Entry, sink: &Sink) -> Option<Purpose> {
    reader::check_id(entry.key.spanned(), false, sink)?;
    let fields = Fields::of(&entry.value, &shape::PURPOSE, sink)?;
    let basis: Option<Basis> = fields.need("basis");
    let purpose = Purpose {
        basis: basis.unwrap_or(Basis::Consent),
        version: fields.given("version").unwrap_or(1),
        direct_marketing: fields.given("direct_marketing").unwrap_or(false),
        gpc_objects: fields.given::<GpcMeaning>("gpc").is_some(),
        retired: fields.given("retired").unwrap_or(false),
        expires_after: fields.given("expires_after"),
        cooling_off: fields.given("cooling_off"),
        notice: fields.given("notice"),
        ancestors: PurposeSet::EMPTY,
    };
    for key in ["expires_after", "cooling_off"] {
        if basis.is_some_and(|basis| !basis.needs_consent())
            && let Some(node) = fields.optional(key)
        {
            let help = format!("remove `{key}`, or make the basis `consent`");
            let message = format!("`{key}` has no effect without consent: the basis is `{}`", purpose.basis.name());
            reader::refuse::<()>(node.span, code::CONTRADICTION, message, &help, sink);
        }
    }
    if let Some(node) = fields.optional("gpc")
        && basis.is_some_and(|basis| !basis.needs_consent() && !basis.can_be_objected_to())
    {
        let message =
            format!("nothing that rests on `{}` sells or shares data, so `gpc` has no effect", purpose.basis.name());
        let help = "remove `gpc`, or give the selling and sharing a purpose of its own that rests on consent";
        reader::refuse::<()>(node.span, code::CONTRADICTION, message, help, sink);
    }
    fields.finish();
    basis.map(|_| purpose)
}

/// Sets each purpose's ancestors: `marketing` is an ancestor of `marketing.email`, not of `marketingx`. An ancestor
/// need not be declared any more: a recorded "no" to it must not end because a line was removed from a file.
pub fn link(purposes: &mut IdMap<PurposeId, Purpose>, vocabulary: &Vocabulary) {
    let ids: Vec<PurposeId> = purposes.ids().collect();
    for id in ids {
        let name = vocabulary.name(id);
        let ancestors = name.match_indices('.').filter_map(|(at, _)| vocabulary.find(name.get(..at)?)).collect();
        if let Some(purpose) = purposes.get_mut(id) {
            purpose.ancestors = ancestors;
        }
    }
}

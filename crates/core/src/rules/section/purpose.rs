//! `purposes:` why personal data may be used.

use crate::domain::id::{IdMap, PurposeId, PurposeSet, Vocabulary};
use crate::domain::notice::Notices;
use crate::domain::purpose::{Basis, Purpose};
use crate::domain::sources::Span;
use crate::rules::diagnostic::Diagnostic;
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
pub fn read(entry: &Entry, notices: &Notices, sink: &Sink) -> Option<Purpose> {
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
    if let (Some(path), Some(node)) = (&purpose.notice, fields.optional("notice")) {
        refuse_missing_notice(path, node.span, notices, sink);
    }
    fields.finish();
    basis.map(|_| purpose)
}

/// Reports a notice without a file: nobody could prove what a customer read.
fn refuse_missing_notice(path: &str, span: Span, notices: &Notices, sink: &Sink) {
    match notices.find(path) {
        Some(notice) if notice.text.trim().is_empty() => {
            let help = "write into it what the customer is told";
            reader::refuse::<()>(span, code::NO_NOTICE, format!("the notice `{path}` is empty"), help, sink);
        }
        Some(_) => {}
        None => {
            let message = format!("there is no notice `{path}`");
            let known: Vec<&str> = notices.iter().map(|notice| notice.path.as_str()).collect();
            let diagnostic = Diagnostic::error(code::NO_NOTICE, span, message);
            sink.push(match reader::nearest(path, &known) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).replace(near),
                None => diagnostic.help(
                    "write what the customer is told into a file in the folder `notices` beside the rules, and name it \
                     here, as in `notices/advice-v1.md`",
                ),
            });
        }
    }
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

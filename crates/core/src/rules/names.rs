//! The names that rules may use: what is declared so far, and where an unknown name is reported.

use super::name_kind::NameKind;
use super::reader;
use super::sink::Sink;
use super::source::{Node, Spanned};
use crate::domain::id::{ActionId, ChannelId, EventTypeId, GroupId, Id, IdMap, PurposeId, PurposeSet, Vocabulary};
use crate::domain::model::Declarations;
use crate::rules::code;

/// Looks names up among what is declared.
#[derive(Debug, Clone, Copy)]
pub struct Names<'c> {
    /// The numbers of names, also of those that only older rules declared.
    pub vocabulary: &'c Vocabulary,
    /// What these rules declare.
    pub declared: &'c Declarations,
    /// Where unknown names are reported.
    pub sink: &'c Sink,
}

impl Names<'_> {
    /// A purpose that is in use: not a retired one.
    pub fn purpose(self, name: Spanned<'_>) -> Option<PurposeId> {
        let id = self.find(name, NameKind::Purpose, &self.declared.purposes)?;
        if self.declared.purposes.get(id).is_some_and(|purpose| purpose.retired) {
            let message = format!("the purpose `{}` is retired, so nothing may be done for it", name.text);
            return reader::refuse(name.span, code::CONTRADICTION, message, "name a purpose that is in use", self.sink);
        }
        Some(id)
    }

    /// A list of purposes, at least one.
    pub fn purposes(self, node: &Node) -> Option<PurposeSet> {
        let help = "name at least one purpose; no purpose would mean that the data may never be used";
        reader::filled(node, "this list of purposes is empty", help, self.sink)?;
        reader::names(node, self.sink)?.into_iter().map(|name| self.purpose(name)).collect()
    }

    /// A channel.
    pub fn channel(self, name: Spanned<'_>) -> Option<ChannelId> {
        self.find(name, NameKind::Channel, &self.declared.channels)
    }

    /// An event type.
    pub fn event(self, name: Spanned<'_>) -> Option<EventTypeId> {
        self.find(name, NameKind::Event, &self.declared.events)
    }

    /// An action.
    pub fn action(self, name: Spanned<'_>) -> Option<ActionId> {
        self.find(name, NameKind::Action, &self.declared.actions)
    }

    /// A group that an action of these rules has.
    pub fn group(self, name: Spanned<'_>) -> Option<GroupId> {
        self.find(name, NameKind::Group, &self.declared.groups)
    }

    fn find<I: Id, T>(self, name: Spanned<'_>, kind: NameKind, declared: &IdMap<I, T>) -> Option<I> {
        let id = self.vocabulary.find::<I>(name.text).filter(|id| declared.get(*id).is_some());
        let known = || declared.ids().map(|id| self.vocabulary.name(id));
        id.or_else(|| reader::undeclared(name, kind, known(), self.sink))
    }
}

/// The id of a name; reports too many names.
pub(super) fn intern<I: Id>(vocabulary: &mut Vocabulary, name: Spanned<'_>, sink: &Sink) -> Option<I> {
    let help = "use fewer, or reuse earlier names; a name keeps its number in the data folder, so that no \
                customer is misread";
    match vocabulary.intern(name.text) {
        Ok(id) => Some(id),
        Err(full) => reader::refuse(name.span, code::TOO_MANY, full.to_string(), help, sink),
    }
}

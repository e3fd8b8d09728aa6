//! `actions:` what could be said or done.

use std::sync::Arc;

use crate::domain::action::ActionKind;
use crate::domain::id::{ActionId, ChannelId, GroupId, IdMap, PurposeId};
use crate::domain::model::{Condition, Limit, Template};
use crate::domain::sources::Span;
use crate::domain::time::Moment;

/// A compiled action.
#[derive(Debug, Clone)]
pub struct Action {
    /// How rules, answers and tests name it.
    pub id: ActionId,
    /// A title for people.
    pub title: String,
    /// What it is to the customer.
    pub kind: ActionKind,
    /// The group that requests and limits can name; none if it is in no group.
    pub group: Option<GroupId>,
    /// The purpose it serves and whose facts it may read.
    pub purpose: PurposeId,
    /// The purpose it asks consent for.
    pub asks: Option<PurposeId>,
    /// May we ever?
    pub eligible: Vec<Condition>,
    /// Does it fit now?
    pub applicable: Vec<Condition>,
    /// Is it good for them?
    pub suitable: Vec<Condition>,
    /// How much it matters to the customer now.
    pub relevance: Relevance,
    /// Factor on relevance: what it is worth to both sides.
    pub worth: f64,
    /// Its own points of intrusiveness.
    pub intrusiveness: f64,
    /// Its own limits and cool-downs.
    pub limits: Vec<Limit>,
    /// How it looks on each channel.
    pub treatments: IdMap<ChannelId, Treatment>,
    /// Not before this moment.
    pub from: Option<Moment>,
    /// Not from this moment on.
    pub until: Option<Moment>,
    /// Actions that must not be in one answer with it.
    pub excludes: Vec<ActionId>,
    /// Where it is declared.
    pub span: Span,
}

impl Action {
    /// The engagement policy: every condition must hold.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.eligible.iter().chain(&self.applicable).chain(&self.suitable)
    }
}

/// Points of relevance.
#[derive(Debug, Clone, Default)]
pub struct Relevance {
    /// Points that always count.
    pub base: f64,
    /// Points that count under a condition.
    pub add: Vec<Points>,
}

impl Relevance {
    /// The most points it can come to.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.add.iter().fold(self.base, |sum, add| sum + add.points.max(0.0)).clamp(0.0, 100.0)
    }
}

/// Points that count when a condition holds.
#[derive(Debug, Clone)]
pub struct Points {
    /// How many; they may be below zero.
    pub points: f64,
    /// The points count while this is true.
    pub when: Condition,
    /// The reason in words that a person can say aloud.
    pub because: Option<Template>,
}

/// How an action looks on one channel.
#[derive(Debug, Clone)]
pub struct Treatment {
    /// A key to content in another system.
    pub content: Arc<str>,
    /// A text to show or say.
    pub text: Template,
    /// Where its channel is written.
    pub span: Span,
}

//! The naive layout of a customer: rich types, nothing packed. This crate began with it.

#![allow(dead_code, reason = "what it takes is measured, not what it says")]

use std::collections::VecDeque;

use compact_str::CompactString;
use smallvec::SmallVec;
use tactful::domain::consent::standing::Registers;
use tactful::domain::customer::{Contact, JourneyState, OutcomeEntry};
use tactful::domain::value::Value;

pub struct Event {
    pub kind: u16,
    pub at: i64,
    pub purposes: u64,
    pub fields: SmallVec<[(u16, Value, u64); 2]>,
}

#[derive(Default)]
pub struct Customer {
    pub attributes: SmallVec<[(u16, Value, u64); 4]>,
    pub events: VecDeque<Event>,
    pub events_forgotten: Option<(i64, u64)>,
    pub journeys: SmallVec<[JourneyState; 2]>,
    pub contacts: Vec<Contact>,
    pub outcomes: Vec<OutcomeEntry>,
    pub zone: Option<jiff::tz::TimeZone>,
    pub forgotten: Option<i64>,
    pub seen: VecDeque<u64>,
    pub standing: SmallVec<[(u8, Registers); 2]>,
    pub restricted: Option<(i64, u64)>,
    pub lifted: Option<(i64, u64)>,
    pub position: u64,
    pub epoch: u64,
    pub requests: VecDeque<u64>,
    pub consent_keys: VecDeque<u64>,
}

pub type Customers = dashmap::DashMap<CompactString, Customer, foldhash::quality::RandomState>;

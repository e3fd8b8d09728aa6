//! The core for a page: rules, a customer's history and a question go in, the decision comes out, as JSON in the mapping of
//! the protocol. It decides as the server does, as it is the same core; time is an argument.
//!
//! The page writes a call with `call_write`, four bytes at a time, makes it with `call_make`, and reads the answer with
//! `answer_read`. So no pointer crosses the border, and nothing here needs an unsafe block. A name such as `write` would
//! replace that of the C library where the tests of this crate run.

mod answer;
mod ask;
mod play;
mod rules;

use std::cell::RefCell;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tactful_core::domain::rule_set::RuleSet;

use ask::Ask;
use rules::RuleFile;

/// What the page has written, what it will read, and the rules that it loaded last.
#[derive(Default)]
struct State {
    call: Vec<u8>,
    answer: Vec<u8>,
    rules: Option<RuleSet>,
}

/// A call of the page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Call {
    /// Loads rule files, and answers with what they declare and what is wrong with them.
    Load(Vec<RuleFile>),
    /// Plays a customer's history and decides.
    Ask(Ask),
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Appends four bytes to the call.
#[expect(unsafe_code, reason = "the page finds exports by their names")]
#[unsafe(no_mangle)]
pub extern "C" fn call_write(word: u32) {
    STATE.with_borrow_mut(|state| state.call.extend(word.to_le_bytes()));
}

/// Makes the call, whose text has this many bytes, and returns how many the answer has.
#[expect(unsafe_code, reason = "the page finds exports by their names")]
#[unsafe(no_mangle)]
pub extern "C" fn call_make(length: u32) -> u32 {
    STATE.with_borrow_mut(|state| {
        let mut text = std::mem::take(&mut state.call);
        text.truncate(length as usize);
        let answer = answered(&text, &mut state.rules).unwrap_or_else(|error| json!({ "error": error }));
        state.answer = answer.to_string().into_bytes();
        u32::try_from(state.answer.len()).unwrap_or_default()
    })
}

/// Four bytes of the answer, from an offset; past the end they are 0.
#[expect(unsafe_code, reason = "the page finds exports by their names")]
#[unsafe(no_mangle)]
pub extern "C" fn answer_read(offset: u32) -> u32 {
    STATE.with_borrow(|state| {
        let byte = |after: usize| state.answer.get(offset as usize + after).copied().unwrap_or_default();
        u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
    })
}

fn answered(text: &[u8], rules: &mut Option<RuleSet>) -> Result<Json, String> {
    let call = serde_json::from_slice(text).map_err(|error| format!("the call cannot be read: {error}"))?;
    match call {
        Call::Load(files) => {
            let (loaded, told) = rules::load(files);
            *rules = loaded;
            Ok(told)
        }
        Call::Ask(ask) => play::play(&ask, rules.as_ref().ok_or("the rules have errors")?),
    }
}

//! Consent: the record, the standing that follows from the records, and the gate that decides by the standing.

pub mod gate;
pub mod json_ld;
pub mod record;
pub mod standing;

pub use gate::{Denial, Stage, Verdict, binding, lawful, must_not_be_asked, needs_reconfirm};
pub use json_ld::json_ld;
pub use record::{ConsentRecord, ConsentStatus};
pub use standing::Standing;

pub use super::notice::NoticeHash;

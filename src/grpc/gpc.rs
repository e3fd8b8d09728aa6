//! Global Privacy Control: `sec-gpc: 1` in a call's metadata is an objection of the call's customer, applied before the
//! call.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::metadata::MetadataMap;

use super::{Shared, off_thread};

/// Whether the browser behind a call sends the signal: exactly the value `1`.
pub fn is_set(metadata: &MetadataMap) -> bool {
    metadata.get_all("sec-gpc").iter().any(|value| value.as_bytes() == b"1")
}

/// Records the objection for each customer who has none on record. It takes effect even if the ledger fails.
pub async fn record<'c>(shared: &Shared, customers: impl Iterator<Item = &'c str>) {
    for customer in customers.collect::<BTreeSet<&str>>() {
        let Some(objection) = shared.engine.gpc_objection(customer) else { continue };
        // An invalid customer id is refused by the call itself.
        if let Ok(begun) = shared.engine.begin_consent(objection, shared.clock.now()) {
            let engine = Arc::clone(&shared.engine);
            drop(off_thread(move || engine.finish_consent(begun)).await);
        }
    }
}

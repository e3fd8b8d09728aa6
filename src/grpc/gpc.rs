//! Global Privacy Control: `sec-gpc: 1` in a call's metadata is an objection of the call's customer, applied before the
//! call.

use std::collections::BTreeSet;

use tonic::metadata::MetadataMap;

use super::Shared;
use super::caller::Binding;
use crate::engine::GpcObjection;

/// Whether the browser behind a call sends the signal: the value `1`, or `1, 1` where a proxy has joined two headers.
pub fn is_set(metadata: &MetadataMap) -> bool {
    let one = |value: &[u8]| value.split(|byte| *byte == b',').any(|part| part.trim_ascii_start() == b"1");
    metadata.get_all("sec-gpc").iter().any(|value| one(value.as_bytes()))
}

/// Records the objection for each customer who has none on record. It takes effect even if the ledger fails.
pub async fn record<'c>(shared: &Shared, binding: &Binding, customers: impl Iterator<Item = &'c str>) {
    for customer in customers.collect::<BTreeSet<&str>>() {
        let Some(signal) = GpcObjection::new(customer, shared.engine.rules()) else { return };
        let now = shared.clock.now();
        if let Ok(Some(objection)) = shared.engine.execute(&signal, now).await {
            // An invalid customer id is refused by the call itself; where the disk fails, the objection is in effect.
            drop(shared.engine.record_consent_async(objection, binding.name(), now).await);
        }
    }
}

//! Global Privacy Control: `sec-gpc: 1` in a call's metadata objects for the customer of that call, before it is served.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::metadata::MetadataMap;

use super::{Shared, off_thread};

/// Whether the browser behind a call sends the signal: the value `1` and no other.
pub fn is_set(metadata: &MetadataMap) -> bool {
    metadata.get_all("sec-gpc").iter().any(|value| value.as_bytes() == b"1")
}

/// Writes the objection down for each customer of whom it is not known yet. It binds even where the ledger fails.
pub async fn record<'c>(shared: &Shared, customers: impl Iterator<Item = &'c str>) {
    for customer in customers.collect::<BTreeSet<&str>>() {
        let purposes = shared.engine.gpc_objects_to(customer);
        if purposes.is_empty() {
            continue;
        }
        let (engine, now, customer) = (Arc::clone(&shared.engine), shared.clock.now(), customer.to_owned());
        drop(off_thread(move || engine.record_gpc(&customer, purposes, now)).await);
    }
}

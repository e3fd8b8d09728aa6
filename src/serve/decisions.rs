//! The decision service as it is served.

use tonic::codec::CompressionEncoding;

use crate::grpc::proto::decision_service_server::{DecisionService, DecisionServiceServer};

/// The decision service, which takes compressed messages, and compresses its answers to callers who do.
pub fn served<D: DecisionService>(decisions: D) -> DecisionServiceServer<D> {
    let service = DecisionServiceServer::new(decisions);
    service.accept_compressed(CompressionEncoding::Gzip).send_compressed(CompressionEncoding::Gzip)
}

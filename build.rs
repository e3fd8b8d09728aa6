//! Compiles the protocol definitions with protox, so no `protoc` is needed.

use std::path::PathBuf;

use prost::Message as _;

const PROTOS: [&str; 6] = [
    "tactful/v1/decision.proto",
    "tactful/v1/journey.proto",
    "tactful/v1/consent.proto",
    "tactful/v1/privacy.proto",
    "tactful/v1/rules.proto",
    "tactful/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("tactful.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().codec_path("crate::grpc::codec::SmallProst").compile_fds(descriptors)?;
    Ok(())
}

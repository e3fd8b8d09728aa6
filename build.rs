//! Compiles the protocol definitions with protox, so no `protoc` is needed.

use std::path::PathBuf;

const PROTOS: [&str; 7] = [
    "tactful/v1/decision.proto",
    "tactful/v1/journey.proto",
    "tactful/v1/consent.proto",
    "tactful/v1/privacy.proto",
    "tactful/v1/rules.proto",
    "tactful/v1/admin.proto",
    "tactful/v1/caller.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(PROTOS)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Encoded by the compiler: the types of `prost-types` would drop the options of options.proto.
    std::fs::write(out.join("tactful.v1.bin"), compiler.encode_file_descriptor_set())?;
    let descriptors = compiler.file_descriptor_set();
    tonic_prost_build::configure().codec_path("crate::grpc::codec::SmallProst").compile_fds(descriptors)?;
    Ok(())
}

//! Compiles the protocol's definitions to descriptors, which say what JSON a method takes.

use std::path::PathBuf;

use prost::Message as _;

const SERVICES: [&str; 6] = ["decision", "journey", "consent", "privacy", "rules", "admin"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../proto");
    let files = SERVICES.map(|service| format!("tactful/v1/{service}.proto"));
    let descriptors = protox::compile(files, ["../../proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("tactful.v1.bin"), descriptors.encode_to_vec())?;
    Ok(())
}

//! Fuzz targets. The bodies are in `targets`, a file that `abi/tests/fuzz_smoke.rs` includes as
//! well, so that the plain tests run them over random bytes without a fuzzer.

pub mod targets;

//! The parse function: SQL text to a physical plan.
#![no_std]
#![no_main]

vireo_runtime::image!(vireo_parse::ParseFunction);

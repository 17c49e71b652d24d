//! The echo function: answers each message with itself.
#![no_std]
#![no_main]

vireo_runtime::image!(vireo_runtime::Echo);

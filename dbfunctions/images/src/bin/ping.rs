//! The ping function: measures round trips to an echo function.
#![no_std]
#![no_main]

vireo_runtime::image!(vireo_runtime::Ping);

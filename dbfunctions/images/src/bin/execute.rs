//! The execute function: plans to rows.
#![no_std]
#![no_main]

vireo_runtime::image!(vireo_execute::ExecuteFunction);

//! The storage function: the only writer.
#![no_std]
#![no_main]

vireo_runtime::image!(vireo_storage_function::StorageFunction);

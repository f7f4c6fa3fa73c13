//! What is kept from run to run beside the log, in the same folder.

pub mod recent;

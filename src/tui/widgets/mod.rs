//! Small parts that several panes draw with. All of them survive every area, the empty one included.

pub mod meter;
pub mod spark;
pub mod table;

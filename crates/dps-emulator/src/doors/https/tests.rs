//! The door over a stream in memory.

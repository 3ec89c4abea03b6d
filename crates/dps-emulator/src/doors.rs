//! The protocols through which devices come in. Each door is a sans-I/O state machine over its
//! own code and third-party codecs; none shares code with the client's engines.

pub(crate) mod mqtt;

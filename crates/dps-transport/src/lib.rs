//! Endpoints, trust anchors and the sans-I/O link layers (TLS) under the protocol engines

//! Symmetric keys and derived device keys as an attestation source

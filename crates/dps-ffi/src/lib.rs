//! libdps: the C API of the device provisioning client

//! A local Device Provisioning Service that checks credentials as the real one does

//! Registers a device with the Device Provisioning Service: polling, blocking and async drivers

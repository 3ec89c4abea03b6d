//! Sans-I/O MQTT 3.1.1 engine for the Device Provisioning Service

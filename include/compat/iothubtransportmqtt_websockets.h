/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: provisioning programs include it and use nothing of it. */
#ifndef IOTHUBTRANSPORTMQTT_WEBSOCKETS_H
#define IOTHUBTRANSPORTMQTT_WEBSOCKETS_H
#endif /* IOTHUBTRANSPORTMQTT_WEBSOCKETS_H */

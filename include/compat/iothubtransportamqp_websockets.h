/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: provisioning programs include it and use nothing of it. */
#ifndef IOTHUBTRANSPORTAMQP_WEBSOCKETS_H
#define IOTHUBTRANSPORTAMQP_WEBSOCKETS_H
#endif /* IOTHUBTRANSPORTAMQP_WEBSOCKETS_H */

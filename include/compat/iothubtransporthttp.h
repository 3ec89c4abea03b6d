/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: provisioning programs include it and use nothing of it. */
#ifndef IOTHUBTRANSPORTHTTP_H
#define IOTHUBTRANSPORTHTTP_H
#endif /* IOTHUBTRANSPORTHTTP_H */

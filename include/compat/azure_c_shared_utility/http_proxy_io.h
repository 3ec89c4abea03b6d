/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stand-in: provisioning programs include it and use nothing of it. */
#ifndef HTTP_PROXY_IO_H
#define HTTP_PROXY_IO_H
#endif /* HTTP_PROXY_IO_H */

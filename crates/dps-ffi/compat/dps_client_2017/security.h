/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The kind of security module, which a program of 2017 chooses by the library that it is linked with:
 * one of the files security_*.c.
 */
#ifndef DPS_2017_SECURITY_H
#define DPS_2017_SECURITY_H

#include "azure_prov_client/prov_security_factory.h"

#ifdef _MSC_VER
#define OF_THREAD __declspec(thread)
#else
#define OF_THREAD __thread
#endif

/* SECURE_DEVICE_TYPE_TPM or SECURE_DEVICE_TYPE_X509. */
SECURE_DEVICE_TYPE dps_2017_kind(void);

/* The custom module's table, or NULL. */
const void* dps_2017_interface(void);

/* Starts the module, and has libdps use it and choose its kind. 0 when it went well; else libdps has the
 * reason, or it is set here. */
int dps_2017_begin(void);
/* The reverse, but for libdps, which is told already. */
void dps_2017_end(void);

/* dps_secure_device_init for programs that never call it, as in 2017 none had to. 0 also when the program
 * has had today's functions choose another kind. */
int dps_2017_start(void);

/* Why something failed that libdps knows nothing of, on this thread. A text that lives for ever, or
 * NULL. */
void dps_2017_set_reason(const char* reason);
const char* dps_2017_reason(void);

#endif /* DPS_2017_SECURITY_H */

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Certificates and keys for scenarios that need no service; made with OpenSSL, valid to 2120 unless
 * they say otherwise. They protect nothing.
 */
#ifndef DPS_TEST_CERTIFICATES_H
#define DPS_TEST_CERTIFICATES_H

/* The key of all certificates here, EC on P-256. */
#define DEVICE_KEY \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdgG4MajI3HlbdDqd\n" \
    "kDWjbH60SNeEANj6aiFtn2GJIPChRANCAASJ7KH85XeSk4kBSkawKECYnGQQk6Fy\n" \
    "h4GO2K6SRZI59a4f4XxoazPa2xsSkBFSUn2fbV4UgUtUGhvWp4dvVWIs\n" \
    "-----END PRIVATE KEY-----\n"

/* The same kind of key, of no certificate here. */
#define OTHER_DEVICE_KEY \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwgYA0+d4UFb700xl\n" \
    "rr0gBDT4a61OwEMz+4an1F/zXEShRANCAAQ7x8fRd7U8LHj0rgpWadwL/CI47bvE\n" \
    "gWneWTd0TP3hn6vD3QzIyZJ8CXrDAbmLGnR38bsKR1y1QnAMN1gXeOma\n" \
    "-----END PRIVATE KEY-----\n"

/* A key behind a passphrase. */
#define ENCRYPTED_KEY \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjo4ysn62M1uwICCAAw\n" \
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEELaXnCYF17sk5DInTHtzCLoEgZAn\n" \
    "krxw/D2hcVEdpnLNjswUwAHSwV/2dOS3g3Xyc9bHQpRDDHmHPzV3NiXsYZegSdgV\n" \
    "UP7JTQWCB1bjTJ534+30/KDh+FBpwndk9BZxR4wf1UU4SES/6iHW4B6tJWIr+dgQ\n" \
    "rPpTxdr5mlSaNeloTc5GW4ebseNG0/YOpznV+WFJSlSToKpBQCQFGFuexDYlLfY=\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"

/* Subject CN=c-device. */
#define DEVICE_CERTIFICATE \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBZzCCAQ6gAwIBAgIBCDAKBggqhkjOPQQDAjATMREwDwYDVQQDDAhjLWRldmlj\n" \
    "ZTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowEzERMA8GA1UEAwwI\n" \
    "Yy1kZXZpY2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASJ7KH85XeSk4kBSkaw\n" \
    "KECYnGQQk6Fyh4GO2K6SRZI59a4f4XxoazPa2xsSkBFSUn2fbV4UgUtUGhvWp4dv\n" \
    "VWIso1EwTzAMBgNVHRMBAf8EAjAAMAsGA1UdDwQEAwIHgDATBgNVHSUEDDAKBggr\n" \
    "BgEFBQcDAjAdBgNVHQ4EFgQUod6ekfcGRksPfyfTefrjTEAJEUUwCgYIKoZIzj0E\n" \
    "AwIDRwAwRAIgBUQ68s4yTcsL74uhqP1L8BXVSe4mkI6N3OF3ofMcSlkCIH5kaLEd\n" \
    "g2u5L8eO57iNrrk0mFDgk9YXi/AW2xmQ5xJz\n" \
    "-----END CERTIFICATE-----\n"

/* Subject CN=c-device; ended on 2021-01-01. */
#define EXPIRED_CERTIFICATE \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBZzCCAQygAwIBAgIBBTAKBggqhkjOPQQDAjATMREwDwYDVQQDDAhjLWRldmlj\n" \
    "ZTAeFw0yMDAxMDEwMDAwMDBaFw0yMTAxMDEwMDAwMDBaMBMxETAPBgNVBAMMCGMt\n" \
    "ZGV2aWNlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEieyh/OV3kpOJAUpGsChA\n" \
    "mJxkEJOhcoeBjtiukkWSOfWuH+F8aGsz2tsbEpARUlJ9n21eFIFLVBob1qeHb1Vi\n" \
    "LKNRME8wDAYDVR0TAQH/BAIwADALBgNVHQ8EBAMCB4AwEwYDVR0lBAwwCgYIKwYB\n" \
    "BQUHAwIwHQYDVR0OBBYEFKHenpH3BkZLD38n03n640xACRFFMAoGCCqGSM49BAMC\n" \
    "A0kAMEYCIQCt71EiN4UzmyHzoUZkWcP9nSSms5NmdG/zWErKQlnp3AIhAMtsBCPf\n" \
    "grG/plMV/F5ZgOw8k4R7ADzlerwqNM/7KzcQ\n" \
    "-----END CERTIFICATE-----\n"

/* Subject O=nobody: no common name. */
#define NAMELESS_CERTIFICATE \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBZDCCAQqgAwIBAgIBBjAKBggqhkjOPQQDAjARMQ8wDQYDVQQKDAZub2JvZHkw\n" \
    "IBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBExDzANBgNVBAoMBm5v\n" \
    "Ym9keTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABInsofzld5KTiQFKRrAoQJic\n" \
    "ZBCToXKHgY7YrpJFkjn1rh/hfGhrM9rbGxKQEVJSfZ9tXhSBS1QaG9anh29VYiyj\n" \
    "UTBPMAwGA1UdEwEB/wQCMAAwCwYDVR0PBAQDAgeAMBMGA1UdJQQMMAoGCCsGAQUF\n" \
    "BwMCMB0GA1UdDgQWBBSh3p6R9wZGSw9/J9N5+uNMQAkRRTAKBggqhkjOPQQDAgNI\n" \
    "ADBFAiA89GF/VGSXBkajoSiVsyftehIWCN+pYuz3A4aGQUPzYgIhAPrWMeFjgbQT\n" \
    "muCYGEod5lbtKPXlhCusodTWFMhZ6IAu\n" \
    "-----END CERTIFICATE-----\n"

/* Subject "CN=two words", which no registration id can be. */
#define BADLY_NAMED_CERTIFICATE \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBaTCCARCgAwIBAgIBBzAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAl0d28gd29y\n" \
    "ZHMwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM\n" \
    "CXR3byB3b3JkczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABInsofzld5KTiQFK\n" \
    "RrAoQJicZBCToXKHgY7YrpJFkjn1rh/hfGhrM9rbGxKQEVJSfZ9tXhSBS1QaG9an\n" \
    "h29VYiyjUTBPMAwGA1UdEwEB/wQCMAAwCwYDVR0PBAQDAgeAMBMGA1UdJQQMMAoG\n" \
    "CCsGAQUFBwMCMB0GA1UdDgQWBBSh3p6R9wZGSw9/J9N5+uNMQAkRRTAKBggqhkjO\n" \
    "PQQDAgNHADBEAiAtEvQlzdzyGCuVwd5dqaRIAmpecggn5AMvFsPo9q6nKgIgLt6L\n" \
    "cPFkq824HWTBuZTMUFS3pegeX9dAclE94uTCgeU=\n" \
    "-----END CERTIFICATE-----\n"

#endif /* DPS_TEST_CERTIFICATES_H */

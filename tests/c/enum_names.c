/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What programs do with the enumeration macros: define the name functions in their own object, and
 * use them. Compiled as C and as C++ (enum_names_cpp.cpp).
 */
#include <stdio.h>
#include <string.h>

#include "azure_prov_client/prov_device_client.h"
#include "azure_prov_client/prov_security_factory.h"

MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_VALUE)
MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(PROV_DEVICE_REG_STATUS, PROV_DEVICE_REG_STATUS_VALUES)
MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(SECURE_DEVICE_TYPE, SECURE_DEVICE_TYPE_VALUES)

#define FLAVOUR_VALUES FLAVOUR_SWEET, FLAVOUR_SOUR
MU_DEFINE_ENUM(FLAVOUR, FLAVOUR_VALUES)
MU_DEFINE_ENUM_STRINGS(FLAVOUR, FLAVOUR_VALUES)

static int failures = 0;

static void expect(const char* actual, const char* expected)
{
    if (strcmp(actual, expected) != 0)
    {
        printf("expected %s, got %s\n", expected, actual);
        failures++;
    }
}

int main(void)
{
    expect(MU_ENUM_TO_STRING(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_OK), "PROV_DEVICE_RESULT_OK");
    expect(MU_ENUM_TO_STRING(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_DISABLED), "PROV_DEVICE_RESULT_DISABLED");
    expect(MU_ENUM_TO_STRING(PROV_DEVICE_RESULT, (PROV_DEVICE_RESULT)14), "UNKNOWN");
    expect(MU_ENUM_TO_STRING(PROV_DEVICE_REG_STATUS, PROV_DEVICE_REG_STATUS_CONNECTED), "PROV_DEVICE_REG_STATUS_CONNECTED");
    expect(MU_ENUM_TO_STRING(PROV_DEVICE_REG_STATUS, PROV_DEVICE_REG_HUB_NOT_SPECIFIED), "PROV_DEVICE_REG_HUB_NOT_SPECIFIED");
    expect(MU_ENUM_TO_STRING(SECURE_DEVICE_TYPE, SECURE_DEVICE_TYPE_SYMMETRIC_KEY), "SECURE_DEVICE_TYPE_SYMMETRIC_KEY");
    expect(MU_ENUM_TO_STRING(FLAVOUR, FLAVOUR_INVALID), "FLAVOUR_INVALID");
    expect(MU_ENUM_TO_STRING(FLAVOUR, FLAVOUR_SOUR), "FLAVOUR_SOUR");
    return (failures == 0 && FLAVOUR_SWEET == 1) ? 0 : 1;
}

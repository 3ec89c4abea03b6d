/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A PKCS#11 module in front of another one, DPS_FAULTS_MODULE, which fails on request: as tokens do
 * that lock, are taken out, or forget a login. The file DPS_FAULTS says "FUNCTION CODE TIMES", and
 * counts down.
 */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long CK_RV;
typedef unsigned long CK_ULONG;
typedef void (*ANY)(void);

/* CK_FUNCTION_LIST of PKCS#11 2.40: a version and 68 functions. */
typedef struct LIST_TAG
{
    unsigned char version[2];
    ANY functions[68];
} LIST;

enum
{
    GET_FUNCTION_LIST = 3,
    LOGIN = 18,
    SIGN_INIT = 42,
    SIGN = 43
};

static LIST real;
static LIST list;

/* The code that this call is to fail with, or 0. */
static CK_RV fault(const char* function)
{
    char name[32];
    unsigned long code = 0;
    int times = 0;
    const char* path = getenv("DPS_FAULTS");
    FILE* file = path != NULL ? fopen(path, "r") : NULL;
    if (file == NULL)
    {
        return 0;
    }
    if (fscanf(file, "%31s %lx %d", name, &code, &times) != 3 || strcmp(name, function) != 0 || times <= 0)
    {
        code = 0;
    }
    fclose(file);
    if (code != 0)
    {
        file = fopen(path, "w");
        fprintf(file, "%s %lx %d\n", name, code, times - 1);
        fclose(file);
    }
    return code;
}

static CK_RV login(CK_ULONG session, CK_ULONG user, unsigned char* pin, CK_ULONG length)
{
    CK_RV code = fault("login");
    return code != 0 ? code : ((CK_RV(*)(CK_ULONG, CK_ULONG, unsigned char*, CK_ULONG))real.functions[LOGIN])(session, user, pin, length);
}

static CK_RV sign_init(CK_ULONG session, void* mechanism, CK_ULONG key)
{
    CK_RV code = fault("sign_init");
    return code != 0 ? code : ((CK_RV(*)(CK_ULONG, void*, CK_ULONG))real.functions[SIGN_INIT])(session, mechanism, key);
}

static CK_RV sign(CK_ULONG session, unsigned char* data, CK_ULONG length, unsigned char* signature, CK_ULONG* size)
{
    CK_RV code = fault("sign");
    return code != 0
               ? code
               : ((CK_RV(*)(CK_ULONG, unsigned char*, CK_ULONG, unsigned char*, CK_ULONG*))real.functions[SIGN])(
                     session, data, length, signature, size);
}

CK_RV C_GetFunctionList(LIST** out);

CK_RV C_GetFunctionList(LIST** out)
{
    const CK_RV general_error = 5;
    LIST* found = NULL;
    void* library = dlopen(getenv("DPS_FAULTS_MODULE"), RTLD_NOW);
    CK_RV (*get)(LIST**) = NULL;
    void* symbol = library != NULL ? dlsym(library, "C_GetFunctionList") : NULL;
    memcpy(&get, &symbol, sizeof(get));
    if (get == NULL || get(&found) != 0)
    {
        return general_error;
    }
    real = *found;
    list = real;
    list.functions[GET_FUNCTION_LIST] = (ANY)C_GetFunctionList;
    list.functions[LOGIN] = (ANY)login;
    list.functions[SIGN_INIT] = (ANY)sign_init;
    list.functions[SIGN] = (ANY)sign;
    *out = &list;
    return 0;
}

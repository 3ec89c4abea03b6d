/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A TPM 2.0, driven by tss2. CUSTOM_HSM_TCTI names the way to it, as tpm2-tools have it: for example
 * "device:/dev/tpmrm0", or "swtpm:host=127.0.0.1,port=2321" for a simulator.
 *
 * What a registration asks of a TPM: two public keys, which the service knows it by; recovering a key
 * that the service has encrypted for them; and signing with that key. Each of it opens the TPM anew, so
 * that others can use it in between, and a handle has nothing to keep.
 */
#include "custom_hsm_example.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

/* Where the keys are kept, as the Azure SDKs do. */
#define EK_HANDLE 0x81010001
#define SRK_HANDLE 0x81000001
#define IDENTITY_HANDLE 0x81000100

#define STORAGE_ATTRIBUTES (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)

/* The TPM while it is open. */
typedef struct CUSTOM_TPM_TAG
{
    TSS2_TCTI_CONTEXT* tcti;
    ESYS_CONTEXT* esys;
    ESYS_TR ek;
    ESYS_TR srk;
} CUSTOM_TPM;

/* PolicySecret of the endorsement hierarchy: what the standard endorsement key is used under. */
static const BYTE EK_POLICY[32] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa
};

/* Whether it went well; says what did not. */
static int went(TSS2_RC result, const char* what)
{
    if (result != TSS2_RC_SUCCESS)
    {
        fprintf(stderr, "TPM: %s failed with 0x%x\n", what, (unsigned int)result);
    }
    return result == TSS2_RC_SUCCESS;
}

/* An RSA key of 2048 bits that protects others. */
static TPM2B_PUBLIC storage_template(TPMA_OBJECT attributes)
{
    TPM2B_PUBLIC template;
    memset(&template, 0, sizeof(template));
    template.publicArea.type = TPM2_ALG_RSA;
    template.publicArea.nameAlg = TPM2_ALG_SHA256;
    template.publicArea.objectAttributes = STORAGE_ATTRIBUTES | attributes;
    template.publicArea.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_AES;
    template.publicArea.parameters.rsaDetail.symmetric.keyBits.aes = 128;
    template.publicArea.parameters.rsaDetail.symmetric.mode.aes = TPM2_ALG_CFB;
    template.publicArea.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    template.publicArea.parameters.rsaDetail.keyBits = 2048;
    return template;
}

/* The key at a handle; made and kept there if there is none. */
static int open_key(ESYS_CONTEXT* esys, TPM2_HANDLE handle, ESYS_TR hierarchy, const TPM2B_PUBLIC* template, ESYS_TR* key)
{
    TPM2B_SENSITIVE_CREATE sensitive;
    TPM2B_DATA outside;
    TPML_PCR_SELECTION pcrs;
    ESYS_TR made;
    int kept;
    TPMS_CAPABILITY_DATA* found = NULL;
    TPMI_YES_NO more;
    int is_there;

    /* Asked for first, since tss2 prints errors about handles that are not there. */
    if (!went(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, handle, 1, &more, &found), "looking for a key"))
    {
        return 0;
    }
    is_there = found->data.handles.count > 0 && found->data.handles.handle[0] == handle;
    Esys_Free(found);
    if (is_there)
    {
        return went(Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, key), "opening a key");
    }
    memset(&sensitive, 0, sizeof(sensitive));
    memset(&outside, 0, sizeof(outside));
    memset(&pcrs, 0, sizeof(pcrs));
    if (!went(Esys_CreatePrimary(esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, template, &outside, &pcrs, &made, NULL, NULL, NULL, NULL), "making a key"))
    {
        return 0;
    }
    kept = went(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, made, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, handle, key), "keeping a key");
    Esys_FlushContext(esys, made);
    return kept;
}

static void close_tpm(CUSTOM_TPM* tpm)
{
    if (tpm->esys != NULL)
    {
        Esys_Finalize(&tpm->esys);
    }
    if (tpm->tcti != NULL)
    {
        Tss2_TctiLdr_Finalize(&tpm->tcti);
    }
}

/* Opens it, with its keys. */
static int open_tpm(CUSTOM_TPM* tpm)
{
    TPM2B_PUBLIC ek = storage_template(TPMA_OBJECT_ADMINWITHPOLICY);
    TPM2B_PUBLIC srk = storage_template(TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA);
    memset(tpm, 0, sizeof(*tpm));
    ek.publicArea.authPolicy.size = sizeof(EK_POLICY);
    memcpy(ek.publicArea.authPolicy.buffer, EK_POLICY, sizeof(EK_POLICY));
    if (went(Tss2_TctiLdr_Initialize(getenv("CUSTOM_HSM_TCTI"), &tpm->tcti), "reaching it (CUSTOM_HSM_TCTI)") &&
        went(Esys_Initialize(&tpm->esys, tpm->tcti, NULL), "opening it") &&
        open_key(tpm->esys, EK_HANDLE, ESYS_TR_RH_ENDORSEMENT, &ek, &tpm->ek) &&
        open_key(tpm->esys, SRK_HANDLE, ESYS_TR_RH_OWNER, &srk, &tpm->srk))
    {
        return 1;
    }
    close_tpm(tpm);
    return 0;
}

/* NULL when there is no TPM: then no client is made, and the library's reason names this function. */
static HSM_CLIENT_HANDLE tpm_create(void)
{
    CUSTOM_TPM tpm;
    if (!open_tpm(&tpm))
    {
        return NULL;
    }
    close_tpm(&tpm);
    return malloc(1);
}

static void tpm_destroy(HSM_CLIENT_HANDLE handle)
{
    free(handle);
}

/* A key's public half as the service wants it: a marshalled TPM2B_PUBLIC. */
static int public_key(CUSTOM_TPM* tpm, ESYS_TR key, unsigned char** bytes, size_t* length)
{
    TPM2B_PUBLIC* area = NULL;
    size_t written = 0;
    int done = 0;
    unsigned char* target = malloc(sizeof(*area));
    if (target != NULL && went(Esys_ReadPublic(tpm->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, NULL, NULL), "reading a key"))
    {
        done = went(Tss2_MU_TPM2B_PUBLIC_Marshal(area, target, sizeof(*area), &written), "writing a key");
        Esys_Free(area);
    }
    if (!done)
    {
        free(target);
        return 1;
    }
    *bytes = target;
    *length = written;
    return 0;
}

static int tpm_get_ek(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len)
{
    CUSTOM_TPM tpm;
    int result = 1;
    (void)handle;
    if (open_tpm(&tpm))
    {
        result = public_key(&tpm, tpm.ek, key, key_len);
        close_tpm(&tpm);
    }
    return result;
}

static int tpm_get_srk(HSM_CLIENT_HANDLE handle, unsigned char** key, size_t* key_len)
{
    CUSTOM_TPM tpm;
    int result = 1;
    (void)handle;
    if (open_tpm(&tpm))
    {
        result = public_key(&tpm, tpm.srk, key, key_len);
        close_tpm(&tpm);
    }
    return result;
}

/* Shows the TPM that whoever asks may use the endorsement key: its owner has set no password. */
static int endorsement_session(ESYS_CONTEXT* esys, ESYS_TR* session)
{
    const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    if (!went(Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &none, TPM2_ALG_SHA256, session), "starting a session"))
    {
        return 0;
    }
    if (!went(Esys_PolicySecret(esys, ESYS_TR_RH_ENDORSEMENT, *session, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL, NULL), "the endorsement policy"))
    {
        Esys_FlushContext(esys, *session);
        return 0;
    }
    return 1;
}

/* The key that the parts of what the service sent make, loaded. */
static int recover(CUSTOM_TPM* tpm, const TPM2B_ID_OBJECT* credential, const TPM2B_ENCRYPTED_SECRET* secret, const TPM2B_PRIVATE* wrapped, const TPM2B_ENCRYPTED_SECRET* seed, const TPM2B_PUBLIC* area, ESYS_TR* key)
{
    const TPMT_SYM_DEF_OBJECT aes = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
    TPM2B_DIGEST* inner = NULL;
    TPM2B_PRIVATE* private = NULL;
    TPM2B_DATA inner_key;
    ESYS_TR session;
    int done;

    if (!endorsement_session(tpm->esys, &session))
    {
        return 0;
    }
    /* Only the TPM with this endorsement key and this storage root key gets the inner key. */
    done = went(Esys_ActivateCredential(tpm->esys, tpm->srk, tpm->ek, ESYS_TR_PASSWORD, session, ESYS_TR_NONE, credential, secret, &inner), "ActivateCredential");
    Esys_FlushContext(tpm->esys, session);
    if (!done)
    {
        return 0;
    }
    memset(&inner_key, 0, sizeof(inner_key));
    inner_key.size = inner->size;
    memcpy(inner_key.buffer, inner->buffer, inner->size);
    done = went(Esys_Import(tpm->esys, tpm->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &inner_key, area, wrapped, seed, &aes, &private), "Import") &&
           went(Esys_Load(tpm->esys, tpm->srk, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, private, area, key), "Load");
    memset(&inner_key, 0, sizeof(inner_key));
    Esys_Free(private);
    Esys_Free(inner);
    return done;
}

/* Drops the identity key, if there is one. */
static void forget_identity(CUSTOM_TPM* tpm)
{
    TPMS_CAPABILITY_DATA* found = NULL;
    TPMI_YES_NO more;
    ESYS_TR old;
    ESYS_TR none = ESYS_TR_NONE;
    if (Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, IDENTITY_HANDLE, 1, &more, &found) == TSS2_RC_SUCCESS)
    {
        if (found->data.handles.count > 0 && found->data.handles.handle[0] == IDENTITY_HANDLE &&
            Esys_TR_FromTPMPublic(tpm->esys, IDENTITY_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &old) == TSS2_RC_SUCCESS)
        {
            went(Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, old, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, IDENTITY_HANDLE, &none), "dropping the old identity key");
        }
        Esys_Free(found);
    }
}

static int tpm_activate(HSM_CLIENT_HANDLE handle, const unsigned char* key, size_t key_len)
{
    CUSTOM_TPM tpm;
    TPM2B_ID_OBJECT credential = { 0 };
    TPM2B_ENCRYPTED_SECRET secret = { 0 }, seed = { 0 };
    TPM2B_PRIVATE wrapped = { 0 };
    TPM2B_PUBLIC area;
    ESYS_TR loaded, kept;
    size_t at = 0;
    int done;

    (void)handle;
    memset(&area, 0, sizeof(area));
    if (!went(Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(key, key_len, &at, &credential), "reading the credential") ||
        !went(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(key, key_len, &at, &secret), "reading its secret") ||
        !went(Tss2_MU_TPM2B_PRIVATE_Unmarshal(key, key_len, &at, &wrapped), "reading the key") ||
        !went(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(key, key_len, &at, &seed), "reading the key's seed") ||
        !went(Tss2_MU_TPM2B_PUBLIC_Unmarshal(key, key_len, &at, &area), "reading the key's public half"))
    {
        return 1;
    }
    if (!open_tpm(&tpm))
    {
        return 1;
    }
    done = recover(&tpm, &credential, &secret, &wrapped, &seed, &area, &loaded);
    if (done)
    {
        /* Only now, so that the old one stays when the new one cannot be had. */
        forget_identity(&tpm);
        done = went(Esys_EvictControl(tpm.esys, ESYS_TR_RH_OWNER, loaded, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, IDENTITY_HANDLE, &kept), "keeping the identity key");
        Esys_FlushContext(tpm.esys, loaded);
    }
    close_tpm(&tpm);
    return done ? 0 : 1;
}

static int tpm_sign(HSM_CLIENT_HANDLE handle, const unsigned char* data, size_t data_len, unsigned char** key, size_t* key_len)
{
    CUSTOM_TPM tpm;
    TPM2B_MAX_BUFFER buffer;
    TPM2B_DIGEST* mac = NULL;
    unsigned char* target = NULL;
    ESYS_TR identity;

    (void)handle;
    /* What is signed are tokens: a resource and a time. */
    if (data_len > sizeof(buffer.buffer) || !open_tpm(&tpm))
    {
        return 1;
    }
    buffer.size = (UINT16)data_len;
    memcpy(buffer.buffer, data, data_len);
    if (went(Esys_TR_FromTPMPublic(tpm.esys, IDENTITY_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &identity), "opening the identity key") &&
        went(Esys_HMAC(tpm.esys, identity, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &buffer, TPM2_ALG_SHA256, &mac), "HMAC"))
    {
        target = malloc(mac->size);
        if (target != NULL)
        {
            memcpy(target, mac->buffer, mac->size);
            *key = target;
            *key_len = mac->size;
        }
        Esys_Free(mac);
    }
    close_tpm(&tpm);
    return target == NULL;
}

const HSM_CLIENT_TPM_INTERFACE* custom_hsm_tpm(void)
{
    static const HSM_CLIENT_TPM_INTERFACE table = {
        tpm_create,
        tpm_destroy,
        tpm_activate,
        tpm_get_ek,
        tpm_get_srk,
        tpm_sign,
    };
    return &table;
}

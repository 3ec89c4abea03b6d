/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A security module of the kind of 2017 with a TPM 2.0, over tpm2-tss. CUSTOM_HSM_TCTI says how the TPM is
 * reached, as in "device:/dev/tpmrm0" or "swtpm:host=localhost,port=2321"; without it the library looks
 * for one. TSS2_LOG=all+none keeps tpm2-tss from saying on standard error which keys are not there yet.
 *
 * The keys are where all provisioning clients have them. What goes wrong is said by the library, as the
 * code that a function returns.
 */
#include "custom_hsm_tpm_impl.h"

#include <stdlib.h>
#include <string.h>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

/* Of the endorsement key, the storage root key, and the identity key that the service sends. */
#define ENDORSEMENT 0x81010001
#define STORAGE_ROOT 0x81000001
#define IDENTITY 0x81000100

/* Only with the endorsement hierarchy's password (TCG's default policy of endorsement keys). */
static const BYTE ENDORSEMENT_POLICY[] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

typedef struct TPM_TAG
{
    TSS2_TCTI_CONTEXT* link;
    ESYS_CONTEXT* esys;
} TPM;

/* For each call anew: some TPMs take one connection at a time, and the hub's side has a handle, too. */
static TSS2_RC tpm_open(TPM* tpm)
{
    TSS2_RC code = Tss2_TctiLdr_Initialize(getenv("CUSTOM_HSM_TCTI"), &tpm->link);
    tpm->esys = NULL;
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_Initialize(&tpm->esys, tpm->link, NULL);
        if (code != TSS2_RC_SUCCESS)
        {
            Tss2_TctiLdr_Finalize(&tpm->link);
        }
    }
    return code;
}

static void tpm_close(TPM* tpm)
{
    Esys_Finalize(&tpm->esys);
    Tss2_TctiLdr_Finalize(&tpm->link);
}

/* Has the key stay in the TPM, in place of another. */
static TSS2_RC keep(TPM* tpm, ESYS_TR key, TPM2_HANDLE place)
{
    ESYS_TR old = ESYS_TR_NONE;
    ESYS_TR kept = ESYS_TR_NONE;
    TSS2_RC code;
    if (Esys_TR_FromTPMPublic(tpm->esys, place, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &old) == TSS2_RC_SUCCESS)
    {
        code = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, old, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, place, &kept);
        if (code != TSS2_RC_SUCCESS)
        {
            return code;
        }
    }
    code = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, place, &kept);
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_TR_Close(tpm->esys, &kept);
    }
    return code;
}

static TPM2B_PUBLIC template_of(TPM2_HANDLE place)
{
    TPM2B_PUBLIC public;
    TPMT_PUBLIC* area = &public.publicArea;
    memset(&public, 0, sizeof(public));
    area->type = TPM2_ALG_RSA;
    area->nameAlg = TPM2_ALG_SHA256;
    area->objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                             TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    if (place == ENDORSEMENT)
    {
        area->objectAttributes |= TPMA_OBJECT_ADMINWITHPOLICY;
        area->authPolicy.size = sizeof(ENDORSEMENT_POLICY);
        memcpy(area->authPolicy.buffer, ENDORSEMENT_POLICY, sizeof(ENDORSEMENT_POLICY));
    }
    else
    {
        area->objectAttributes |= TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
    }
    area->parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_AES;
    area->parameters.rsaDetail.symmetric.keyBits.aes = 128;
    area->parameters.rsaDetail.symmetric.mode.aes = TPM2_ALG_CFB;
    area->parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area->parameters.rsaDetail.keyBits = 2048;
    return public;
}

/* The endorsement key or the storage root key, made if it is not there yet. */
static TSS2_RC find_or_make(TPM* tpm, TPM2_HANDLE place, ESYS_TR* key)
{
    TSS2_RC code = Esys_TR_FromTPMPublic(tpm->esys, place, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, key);
    if (code != TSS2_RC_SUCCESS)
    {
        const TPM2B_PUBLIC public = template_of(place);
        const TPM2B_SENSITIVE_CREATE sensitive = { 0, { { 0, { 0 } }, { 0, { 0 } } } };
        const TPM2B_DATA outside = { 0, { 0 } };
        const TPML_PCR_SELECTION pcrs = { 0, { { 0, 0, { 0 } } } };
        ESYS_TR hierarchy = place == ENDORSEMENT ? ESYS_TR_RH_ENDORSEMENT : ESYS_TR_RH_OWNER;
        ESYS_TR made = ESYS_TR_NONE;
        code = Esys_CreatePrimary(tpm->esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
            &sensitive, &public, &outside, &pcrs, &made, NULL, NULL, NULL, NULL);
        if (code == TSS2_RC_SUCCESS)
        {
            code = keep(tpm, made, place);
            (void)Esys_FlushContext(tpm->esys, made);
        }
        if (code == TSS2_RC_SUCCESS)
        {
            code = Esys_TR_FromTPMPublic(tpm->esys, place, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, key);
        }
    }
    return code;
}

/* A marshalled TPM2B_PUBLIC, from malloc. */
static int public_key(TPM2_HANDLE place, unsigned char** key, size_t* key_len)
{
    TPM tpm;
    TPM2B_PUBLIC* public = NULL;
    ESYS_TR found = ESYS_TR_NONE;
    TSS2_RC code = tpm_open(&tpm);
    if (code != TSS2_RC_SUCCESS)
    {
        return (int)code;
    }
    code = find_or_make(&tpm, place, &found);
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_ReadPublic(tpm.esys, found, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        *key_len = 0;
        *key = malloc(sizeof(*public));
        code = *key == NULL ? TSS2_ESYS_RC_MEMORY : Tss2_MU_TPM2B_PUBLIC_Marshal(public, *key, sizeof(*public), key_len);
        Esys_Free(public);
    }
    tpm_close(&tpm);
    return (int)code;
}

/* What the service sends. */
typedef struct BLOB_TAG
{
    TPM2B_ID_OBJECT credential;
    TPM2B_ENCRYPTED_SECRET credential_secret;
    TPM2B_PRIVATE duplicate;
    TPM2B_ENCRYPTED_SECRET import_secret;
    TPM2B_PUBLIC public;
} BLOB;

/* More that follows is the service's own matter. */
static TSS2_RC read_blob(const unsigned char* bytes, size_t length, BLOB* blob)
{
    size_t at = 0;
    TSS2_RC code;
    memset(blob, 0, sizeof(*blob));
    code = Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(bytes, length, &at, &blob->credential);
    if (code == TSS2_RC_SUCCESS)
    {
        code = Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(bytes, length, &at, &blob->credential_secret);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        code = Tss2_MU_TPM2B_PRIVATE_Unmarshal(bytes, length, &at, &blob->duplicate);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        code = Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(bytes, length, &at, &blob->import_secret);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        code = Tss2_MU_TPM2B_PUBLIC_Unmarshal(bytes, length, &at, &blob->public);
    }
    return code;
}

/* Only the TPM with this endorsement key and storage root key can. */
static TSS2_RC recover_wrapping_key(TPM* tpm, ESYS_TR storage_root, const BLOB* blob, TPM2B_DATA* wrapping_key)
{
    const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    const TPM2B_NONCE empty = { 0, { 0 } };
    const TPM2B_DIGEST nothing = { 0, { 0 } };
    TPM2B_DIGEST* recovered = NULL;
    ESYS_TR endorsement = ESYS_TR_NONE;
    ESYS_TR session = ESYS_TR_NONE;
    TSS2_RC code = find_or_make(tpm, ENDORSEMENT, &endorsement);
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_StartAuthSession(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
            NULL, TPM2_SE_POLICY, &none, TPM2_ALG_SHA256, &session);
    }
    if (code != TSS2_RC_SUCCESS)
    {
        return code;
    }
    code = Esys_PolicySecret(tpm->esys, ESYS_TR_RH_ENDORSEMENT, session, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
        &empty, &nothing, &empty, 0, NULL, NULL);
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_ActivateCredential(tpm->esys, storage_root, endorsement, ESYS_TR_PASSWORD, session, ESYS_TR_NONE,
            &blob->credential, &blob->credential_secret, &recovered);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        wrapping_key->size = recovered->size;
        memcpy(wrapping_key->buffer, recovered->buffer, recovered->size);
        Esys_Free(recovered);
    }
    (void)Esys_FlushContext(tpm->esys, session);
    return code;
}

static TSS2_RC import(TPM* tpm, const BLOB* blob)
{
    const TPMT_SYM_DEF_OBJECT aes = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
    TPM2B_DATA wrapping_key = { 0, { 0 } };
    TPM2B_PRIVATE* private = NULL;
    ESYS_TR storage_root = ESYS_TR_NONE;
    ESYS_TR loaded = ESYS_TR_NONE;
    TSS2_RC code = find_or_make(tpm, STORAGE_ROOT, &storage_root);
    if (code == TSS2_RC_SUCCESS)
    {
        code = recover_wrapping_key(tpm, storage_root, blob, &wrapping_key);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_Import(tpm->esys, storage_root, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &wrapping_key,
            &blob->public, &blob->duplicate, &blob->import_secret, &aes, &private);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_Load(tpm->esys, storage_root, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, private, &blob->public, &loaded);
        Esys_Free(private);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        code = keep(tpm, loaded, IDENTITY);
        (void)Esys_FlushContext(tpm->esys, loaded);
    }
    return code;
}

DPS_CUSTOM_HSM_HANDLE custom_hsm_create(void)
{
    /* The TPM keeps all there is to keep. */
    return malloc(1);
}

void custom_hsm_destroy(DPS_CUSTOM_HSM_HANDLE handle)
{
    free(handle);
}

int custom_hsm_get_endorsement_key(DPS_CUSTOM_HSM_HANDLE handle, unsigned char** key, size_t* key_len)
{
    (void)handle;
    return public_key(ENDORSEMENT, key, key_len);
}

int custom_hsm_get_storage_root_key(DPS_CUSTOM_HSM_HANDLE handle, unsigned char** key, size_t* key_len)
{
    (void)handle;
    return public_key(STORAGE_ROOT, key, key_len);
}

int custom_hsm_import_key(DPS_CUSTOM_HSM_HANDLE handle, const unsigned char* key, size_t key_len)
{
    TPM tpm;
    BLOB blob;
    TSS2_RC code = read_blob(key, key_len, &blob);
    (void)handle;
    if (code == TSS2_RC_SUCCESS)
    {
        code = tpm_open(&tpm);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        code = import(&tpm, &blob);
        tpm_close(&tpm);
    }
    return (int)code;
}

/* What is signed is short: the scope of a token, and a time. */
int custom_hsm_sign_key(DPS_CUSTOM_HSM_HANDLE handle, const unsigned char* data, size_t data_len, unsigned char** signed_value, size_t* signed_len)
{
    TPM tpm;
    TPM2B_MAX_BUFFER text = { 0, { 0 } };
    TPM2B_DIGEST* mac = NULL;
    ESYS_TR identity = ESYS_TR_NONE;
    TSS2_RC code;
    (void)handle;
    if (data_len > sizeof(text.buffer))
    {
        return TSS2_ESYS_RC_BAD_VALUE;
    }
    text.size = (UINT16)data_len;
    memcpy(text.buffer, data, data_len);
    code = tpm_open(&tpm);
    if (code != TSS2_RC_SUCCESS)
    {
        return (int)code;
    }
    code = Esys_TR_FromTPMPublic(tpm.esys, IDENTITY, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &identity);
    if (code == TSS2_RC_SUCCESS)
    {
        code = Esys_HMAC(tpm.esys, identity, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &text, TPM2_ALG_NULL, &mac);
    }
    if (code == TSS2_RC_SUCCESS)
    {
        *signed_len = mac->size;
        *signed_value = malloc(mac->size);
        if (*signed_value == NULL)
        {
            code = TSS2_ESYS_RC_MEMORY;
        }
        else
        {
            memcpy(*signed_value, mac->buffer, mac->size);
        }
        Esys_Free(mac);
    }
    tpm_close(&tpm);
    return (int)code;
}

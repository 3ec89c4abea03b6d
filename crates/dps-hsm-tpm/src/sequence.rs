//! HMAC of data that is too long for one command (`wire-protocol.md` section 5.4, step 6).
//!
//! tss-esapi knows no sequences, so this calls tss2 itself.
#![allow(unsafe_code)]

use crate::{Tcti, Tpm, TpmError, response, retry};
use core::ptr::null_mut;
use std::ffi::CString;
use std::thread;
use tss_esapi::constants::tss::TPM2_ALG_SHA256;
use tss_esapi::tss2_esys::{
    ESYS_CONTEXT, ESYS_TR, ESYS_TR_NONE, ESYS_TR_PASSWORD, ESYS_TR_RH_NULL, Esys_Finalize,
    Esys_FlushContext, Esys_Free, Esys_HMAC_Start, Esys_Initialize, Esys_SequenceComplete,
    Esys_SequenceUpdate, Esys_TR_Close, Esys_TR_FromTPMPublic, TPM2B_AUTH, TPM2B_DIGEST,
    TPM2B_MAX_BUFFER, TSS2_RC, TSS2_TCTI_CONTEXT, Tss2_TctiLdr_Finalize, Tss2_TctiLdr_Initialize,
};
use zeroize::Zeroize as _;

/// The HMAC, with the key at a persistent handle that has no authorization value, in pieces of
/// `limit` bytes. The last command takes what is left of the data, at most that many bytes.
pub(crate) fn hmac(tpm: &Tpm, key: u32, data: &[u8], limit: usize) -> Result<Vec<u8>, TpmError> {
    let mut failure = TpmError::NoTpm;
    for candidate in tpm.tcti().candidates() {
        match Esys::open(&candidate) {
            Ok(esys) => return esys.hmac(key, data, limit),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// tss2's two contexts. They end with it, the one that uses the other first.
struct Esys {
    tcti: *mut TSS2_TCTI_CONTEXT,
    esys: *mut ESYS_CONTEXT,
}

/// A key's place in tss2's tables. Closing it leaves the key itself where it is.
struct Key<'a>(&'a Esys, ESYS_TR);

/// A sequence that is under way, which takes one of the TPM's few slots until it is flushed or
/// complete.
struct Sequence<'a>(&'a Esys, ESYS_TR);

impl Esys {
    fn open(tcti: &Tcti) -> Result<Self, TpmError> {
        let unreachable = |code| TpmError::Unreachable { tcti: tcti.to_string(), code };
        let name = CString::try_from(tcti.configuration()?)
            .map_err(|error| TpmError::of("opening the TPM", error))?;
        let mut opened = Self { tcti: null_mut(), esys: null_mut() };
        // SAFETY: the name is a C string, and the result goes to a pointer of ours.
        succeeded(unsafe { Tss2_TctiLdr_Initialize(name.as_ptr(), &raw mut opened.tcti) })
            .map_err(unreachable)?;
        // SAFETY: the TCTI was made above and outlives the ESYS context; a null version is allowed.
        succeeded(unsafe { Esys_Initialize(&raw mut opened.esys, opened.tcti, null_mut()) })
            .map_err(unreachable)?;
        Ok(opened)
    }

    fn hmac(&self, handle: u32, data: &[u8], limit: usize) -> Result<Vec<u8>, TpmError> {
        let key = self.key(handle)?;
        let sequence = key.start()?;
        let mut rest = data;
        while let Some((piece, more)) = rest.split_at_checked(limit)
            && !more.is_empty()
        {
            sequence.update(piece)?;
            rest = more;
        }
        sequence.complete(rest)
    }

    fn key(&self, handle: u32) -> Result<Key<'_>, TpmError> {
        let mut key = ESYS_TR_NONE;
        run("TPM2_ReadPublic", || {
            // SAFETY: the context is open; the result goes to a number of ours.
            unsafe {
                Esys_TR_FromTPMPublic(
                    self.esys,
                    handle,
                    ESYS_TR_NONE,
                    ESYS_TR_NONE,
                    ESYS_TR_NONE,
                    &raw mut key,
                )
            }
        })?;
        Ok(Key(self, key))
    }
}

impl<'a> Key<'a> {
    fn start(&self) -> Result<Sequence<'a>, TpmError> {
        let auth = TPM2B_AUTH::default();
        let mut sequence = ESYS_TR_NONE;
        run("TPM2_HMAC_Start", || {
            // SAFETY: context and key are open; the authorization value outlives the call, and
            // the result goes to a number of ours.
            unsafe {
                Esys_HMAC_Start(
                    self.0.esys,
                    self.1,
                    ESYS_TR_PASSWORD,
                    ESYS_TR_NONE,
                    ESYS_TR_NONE,
                    &raw const auth,
                    TPM2_ALG_SHA256,
                    &raw mut sequence,
                )
            }
        })?;
        Ok(Sequence(self.0, sequence))
    }
}

impl Sequence<'_> {
    fn update(&self, piece: &[u8]) -> Result<(), TpmError> {
        let mut buffer = buffer(piece)?;
        let result = run("TPM2_SequenceUpdate", || {
            // SAFETY: context and sequence are open; the buffer outlives the call.
            unsafe {
                Esys_SequenceUpdate(
                    self.0.esys,
                    self.1,
                    ESYS_TR_PASSWORD,
                    ESYS_TR_NONE,
                    ESYS_TR_NONE,
                    &raw const buffer,
                )
            }
        });
        buffer.buffer.zeroize();
        result
    }

    fn complete(mut self, rest: &[u8]) -> Result<Vec<u8>, TpmError> {
        let mut buffer = buffer(rest)?;
        let mut digest: *mut TPM2B_DIGEST = null_mut();
        let result = run("TPM2_SequenceComplete", || {
            // SAFETY: context and sequence are open; the buffer outlives the call. The digest goes
            // to a pointer of ours, and a ticket is not asked for.
            unsafe {
                Esys_SequenceComplete(
                    self.0.esys,
                    self.1,
                    ESYS_TR_PASSWORD,
                    ESYS_TR_NONE,
                    ESYS_TR_NONE,
                    &raw const buffer,
                    ESYS_TR_RH_NULL,
                    &raw mut digest,
                    null_mut(),
                )
            }
        });
        buffer.buffer.zeroize();
        result?;
        // The TPM has ended the sequence.
        self.1 = ESYS_TR_NONE;
        // SAFETY: after a success it points to a digest that is ours to free, or is null.
        let found = unsafe { digest.as_mut() };
        let bytes = found.and_then(|digest| {
            let bytes = digest.buffer.get(..digest.size.into()).map(<[u8]>::to_vec);
            digest.buffer.zeroize();
            bytes
        });
        // SAFETY: made by tss2 above and not used any more; null is allowed.
        unsafe { Esys_Free(digest.cast()) };
        bytes.ok_or(TpmError::Library {
            action: "TPM2_SequenceComplete",
            reason: "the result makes no sense".into(),
        })
    }
}

impl Drop for Sequence<'_> {
    fn drop(&mut self) {
        if self.1 != ESYS_TR_NONE {
            // SAFETY: context and sequence are open.
            unsafe { Esys_FlushContext(self.0.esys, self.1) };
        }
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        // SAFETY: context and key are open.
        unsafe { Esys_TR_Close(self.0.esys, &raw mut self.1) };
    }
}

impl Drop for Esys {
    fn drop(&mut self) {
        if !self.esys.is_null() {
            // SAFETY: made by Esys_Initialize; nothing uses it any more.
            unsafe { Esys_Finalize(&raw mut self.esys) };
        }
        if !self.tcti.is_null() {
            // SAFETY: made by Tss2_TctiLdr_Initialize; the context over it has ended.
            unsafe { Tss2_TctiLdr_Finalize(&raw mut self.tcti) };
        }
    }
}

/// A piece in tss2's terms.
fn buffer(piece: &[u8]) -> Result<TPM2B_MAX_BUFFER, TpmError> {
    let mut buffer = TPM2B_MAX_BUFFER::default();
    let size = u16::try_from(piece.len()).ok();
    match (buffer.buffer.get_mut(..piece.len()), size) {
        (Some(place), Some(size)) => {
            place.copy_from_slice(piece);
            buffer.size = size;
            Ok(buffer)
        }
        _ => Err(TpmError::Library {
            action: "TPM2_SequenceUpdate",
            reason: "the TPM's input buffer is larger than tss2's".into(),
        }),
    }
}

fn succeeded(code: TSS2_RC) -> Result<(), u32> {
    if code == 0 { Ok(()) } else { Err(code) }
}

fn run(command: &'static str, mut call: impl FnMut() -> TSS2_RC) -> Result<(), TpmError> {
    retry::while_busy(|| succeeded(call()), |code| response::is_passing(*code), thread::sleep)
        .map_err(|code| TpmError::Command { command, code })
}

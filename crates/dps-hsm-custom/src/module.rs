//! A plug-in's handle, and what its functions return.
#![allow(unsafe_code)]

use crate::PluginError;
use crate::tables::{Create, Destroy, GetText};
use core::ffi::{CStr, c_char, c_int, c_uchar, c_void};
use core::ptr::NonNull;
use zeroize::{Zeroize as _, Zeroizing};

/// A handle that lives as long as this.
#[derive(Debug)]
pub(crate) struct Module {
    handle: NonNull<c_void>,
    destroy: Destroy,
}

// SAFETY: plug-ins allow calls on any thread, one at a time for each handle (crate documentation).
// Whoever has the module calls it, and it is not `Sync`.
unsafe impl Send for Module {}

impl Module {
    /// Makes a handle.
    ///
    /// # Safety
    ///
    /// The functions are those of a plug-in that keeps the rules in the crate's documentation.
    pub(crate) unsafe fn create(
        slot: &'static str,
        create: Create,
        destroy: Destroy,
    ) -> Result<Self, PluginError> {
        let create = create.ok_or(PluginError::MissingSlot(slot))?;
        // SAFETY: this function's contract.
        let handle = NonNull::new(unsafe { create() }).ok_or(PluginError::ReturnedNull(slot))?;
        Ok(Self { handle, destroy })
    }

    /// For a call of a function of the same plug-in.
    pub(crate) fn handle(&self) -> *mut c_void {
        self.handle.as_ptr()
    }

    /// A text that the plug-in gives.
    ///
    /// # Safety
    ///
    /// The function is of the same plug-in.
    pub(crate) unsafe fn text(
        &mut self,
        slot: &'static str,
        get: GetText,
    ) -> Result<Zeroizing<String>, PluginError> {
        let get = get.ok_or(PluginError::MissingSlot(slot))?;
        // SAFETY: this function's contract; the handle is alive.
        let text =
            NonNull::new(unsafe { get(self.handle()) }).ok_or(PluginError::ReturnedNull(slot))?;
        // SAFETY: by the plug-in's rules a C string from malloc, which is ours now.
        let bytes = unsafe { take_text(text) };
        match core::str::from_utf8(&bytes) {
            Ok("") => Err(PluginError::ReturnedEmpty(slot)),
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(PluginError::NotText(slot)),
        }
    }
}

/// What a function answered that gives bytes.
pub(crate) struct Given {
    pub(crate) code: c_int,
    pub(crate) bytes: *mut c_uchar,
    pub(crate) length: usize,
}

impl Given {
    /// The bytes, of which there may be `most`.
    ///
    /// # Safety
    ///
    /// A function of a plug-in that keeps the rules has answered so.
    pub(crate) unsafe fn take(
        self,
        slot: &'static str,
        most: usize,
    ) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        if self.code != 0 {
            // By the rules nothing was allocated.
            return Err(PluginError::Failed { slot, code: self.code });
        }
        let bytes = NonNull::new(self.bytes).ok_or(PluginError::ReturnedNull(slot))?;
        if self.length > most {
            // Bytes that may not be there are neither read nor wiped.
            // SAFETY: by the plug-in's rules it comes from malloc and is ours now.
            unsafe { libc::free(bytes.as_ptr().cast()) };
            return Err(PluginError::TooLong { slot, length: self.length });
        }
        // SAFETY: by the plug-in's rules as many bytes from malloc, which are ours now.
        let bytes = unsafe { take_bytes(bytes, self.length) };
        if bytes.is_empty() {
            return Err(PluginError::ReturnedEmpty(slot));
        }
        Ok(bytes)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the handle is of this plug-in and alive, and nobody uses it any more.
            unsafe { destroy(self.handle()) };
        }
    }
}

/// Copies a C string from `malloc`, wipes it and frees it.
///
/// # Safety
///
/// It is one, and belongs to the caller.
unsafe fn take_text(text: NonNull<c_char>) -> Zeroizing<Vec<u8>> {
    // SAFETY: this function's contract.
    let length = unsafe { CStr::from_ptr(text.as_ptr()) }.count_bytes();
    // SAFETY: as many bytes are there.
    unsafe { take_bytes(text.cast(), length) }
}

/// Copies bytes from `malloc`, wipes them and frees them.
///
/// # Safety
///
/// As many are there, and belong to the caller.
unsafe fn take_bytes(bytes: NonNull<u8>, length: usize) -> Zeroizing<Vec<u8>> {
    // SAFETY: this function's contract; nobody else uses them.
    let slice = unsafe { core::slice::from_raw_parts_mut(bytes.as_ptr(), length) };
    let copy = Zeroizing::new(slice.to_vec());
    slice.zeroize();
    // SAFETY: from malloc, by this function's contract, and not used any more.
    unsafe { libc::free(bytes.as_ptr().cast()) };
    copy
}

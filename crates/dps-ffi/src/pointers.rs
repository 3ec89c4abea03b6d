//! Every look behind a pointer that came from C, and every number in the guise of one.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_uchar, c_void};
use core::ptr;
use zeroize::Zeroize as _;

/// A copy of the bytes of a C string, without its end mark. `None` for NULL.
///
/// # Safety
///
/// `text` is NULL or points to a string with an end mark, which nobody changes during the call.
pub(crate) unsafe fn bytes(text: *const c_char) -> Option<Vec<u8>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and by this function's contract a string.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
}

/// A copy of a C string. What is not UTF-8 in it becomes U+FFFD, which no identifier, host name
/// or key may contain, so that it is refused where the value is used. `None` for NULL.
///
/// # Safety
///
/// As for [`bytes`].
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the same contract.
    let bytes = unsafe { bytes(text) }?;
    Some(String::from_utf8(bytes).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        // It may have been meant for a key.
        error.into_bytes().zeroize();
        text
    }))
}

/// A copy of the plain value that `value` points to. `None` for NULL.
///
/// # Safety
///
/// `value` is NULL or points to a readable `T`, aligned or not, of which every bit pattern is
/// valid.
pub(crate) unsafe fn value<T: Copy>(value: *const c_void) -> Option<T> {
    if value.is_null() {
        return None;
    }
    // SAFETY: not NULL, and by this function's contract readable.
    Some(unsafe { value.cast::<T>().read_unaligned() })
}

/// Writes as much of `value`, whose first member is its size, as the caller's size at `target` has
/// room for. Refuses NULL, and a size below `least`, that of the first published version. Tells
/// whether it was written. The caller's size stays.
///
/// # Safety
///
/// `target` is NULL or points to a `usize` that tells how many bytes from there on may be
/// written.
pub(crate) unsafe fn write_sized<T: Copy>(target: *mut T, value: &T, least: usize) -> bool {
    // SAFETY: NULL is answered; else the first member is readable by this function's contract.
    let Some(size) = (unsafe { self::value::<usize>(target.cast_const().cast()) }) else {
        return false;
    };
    let head = size_of::<usize>();
    let end = size.min(size_of::<T>());
    if size < least || end < head {
        return false;
    }
    // SAFETY: both ranges end within `value`, and within what the size says is writable in
    // `target`; they do not overlap.
    unsafe {
        ptr::copy_nonoverlapping(
            ptr::from_ref(value).cast::<u8>().add(head),
            target.cast::<u8>().add(head),
            end - head,
        );
    }
    true
}

/// The `T` at `source`, whose first member is its size; members that the caller does not know yet
/// are those of `base`. `None` for NULL, and for a size below `least`, that of the first published
/// version.
///
/// # Safety
///
/// `source` is NULL or points to a `usize` that tells how many bytes from there on may be read,
/// and every bit pattern is a valid `T`.
pub(crate) unsafe fn read_sized<T: Copy>(source: *const T, least: usize, base: T) -> Option<T> {
    // SAFETY: NULL is answered; else the first member is readable by this function's contract.
    let size = unsafe { value::<usize>(source.cast()) }?;
    if size < least {
        return None;
    }
    let mut read = base;
    // SAFETY: as many bytes are readable at `source` as its size says, and writable in `read` as
    // it has; every bit pattern is valid.
    unsafe {
        ptr::copy_nonoverlapping(
            source.cast::<u8>(),
            ptr::from_mut(&mut read).cast::<u8>(),
            size.min(size_of::<T>()),
        );
    }
    Some(read)
}

/// A copy of `value` in memory that C frees with `free`. NULL when there is none.
pub(crate) fn allocate<T: Copy>(value: T) -> *mut T {
    // SAFETY: malloc has no conditions.
    let target = unsafe { libc::malloc(size_of::<T>()) }.cast::<T>();
    if !target.is_null() {
        // SAFETY: as large as a T, and aligned for any type of C.
        unsafe { target.write(value) };
    }
    target
}

/// A copy of `length` bytes. `None` for NULL, and for none.
///
/// # Safety
///
/// `bytes` is NULL or has `length` readable bytes.
pub(crate) unsafe fn byte_copy(bytes: *const c_uchar, length: usize) -> Option<Vec<u8>> {
    if bytes.is_null() || length == 0 || isize::try_from(length).is_err() {
        return None;
    }
    // SAFETY: not NULL, and by this function's contract readable.
    Some(unsafe { core::slice::from_raw_parts(bytes, length) }.to_vec())
}

/// A copy of a text, with an end mark, in memory that C frees with `free`. NULL when there is none.
pub(crate) fn give_text(text: &[u8]) -> *mut c_char {
    // SAFETY: malloc has no conditions.
    let target = unsafe { libc::malloc(text.len() + 1) }.cast::<u8>();
    if !target.is_null() {
        // SAFETY: as large as the text and its end mark.
        unsafe {
            target.copy_from_nonoverlapping(text.as_ptr(), text.len());
            target.add(text.len()).write(0);
        }
    }
    target.cast()
}

/// Hands over a copy of bytes in memory that C frees with `free`. Tells whether there was any.
///
/// # Safety
///
/// Both places are writable.
pub(crate) unsafe fn give_bytes(
    bytes: &[u8],
    target: *mut *mut c_uchar,
    length: *mut usize,
) -> bool {
    let copy = give_text(bytes);
    if copy.is_null() {
        return false;
    }
    // SAFETY: this function's contract.
    unsafe {
        target.write_unaligned(copy.cast());
        length.write_unaligned(bytes.len());
    }
    true
}

/// The number that a handle is. No memory is touched.
pub(crate) fn handle_number<T>(handle: *mut T) -> usize {
    handle.addr()
}

/// A number in the guise of a pointer; 0 gives NULL. Nobody may look behind it.
pub(crate) fn handle<T>(number: usize) -> *mut T {
    ptr::without_provenance_mut(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: usize = size_of::<usize>();

    #[test]
    fn null_is_nothing() {
        // SAFETY: NULL is allowed everywhere.
        unsafe {
            assert_eq!(bytes(ptr::null()), None);
            assert_eq!(text(ptr::null()), None);
            assert_eq!(value::<u8>(ptr::null()), None);
            assert!(!write_sized(ptr::null_mut(), &[1usize, 2], WORD));
            assert_eq!(read_sized::<[usize; 2]>(ptr::null(), WORD, [0, 0]), None);
        }
    }

    #[test]
    fn text_that_is_not_utf8_cannot_be_mistaken_for_an_identifier() {
        // SAFETY: a string with an end mark.
        assert_eq!(unsafe { text(c"a\xffb".as_ptr()) }.as_deref(), Some("a\u{fffd}b"));
    }

    #[test]
    fn sized_values_keep_to_the_size_the_caller_gave() {
        // The first published version had two words, today's has three.
        let least = 2 * WORD;
        let mut small = [WORD, 0, 0];
        let mut old = [2 * WORD, 0, 7];
        let mut whole = [3 * WORD, 0, 0];
        let mut large = [4 * WORD, 0, 0, 7];
        // SAFETY: all are as large as they say.
        unsafe {
            assert!(!write_sized(ptr::from_mut(&mut small), &[9, 5, 6], least));
            assert!(write_sized(ptr::from_mut(&mut old), &[9, 5, 6], least));
            assert!(write_sized(ptr::from_mut(&mut whole), &[9, 5, 6], least));
            assert!(write_sized(large.as_mut_ptr().cast::<[usize; 3]>(), &[9, 5, 6], least));
            let base = [0, 0, 8];
            assert_eq!(read_sized(ptr::from_ref(&small), least, base), None);
            assert_eq!(read_sized(ptr::from_ref(&old), least, base), Some([2 * WORD, 5, 8]));
            assert_eq!(read_sized(ptr::from_ref(&whole), least, base), Some(whole));
        }
        assert_eq!(small, [WORD, 0, 0]);
        assert_eq!(old, [2 * WORD, 5, 7]);
        assert_eq!(whole, [3 * WORD, 5, 6]);
        assert_eq!(large, [4 * WORD, 5, 6, 7]);
    }
}
